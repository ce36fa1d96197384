"""How a client under test is held: as an adapter process, as a bare program, in a container, or in this process.

`contract` is what the suites see of it; `process` and `bare` hold programs, each under a `warden`, so that nothing of a
client outlives the run. `container` has a `holder` in place of the program, which holds the container.
"""
