"""How a client under test is held: as an adapter process, as a bare program, or in this process.

`contract` is what the suites see of it; `process` and `bare` hold programs, each under a `warden`, so that nothing of a
client outlives the run.
"""
