"""The conformance cases: ordinary pytest modules, one an area.

A case drives a client into a situation; it asserts nothing itself. The clauses judge the trace that it leaves.
"""
