// Has nothing of its own: the precompiled headers of the tests need a target that is compiled.
