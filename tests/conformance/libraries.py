"""The libraries that are preloaded, by the short names of the command line."""
import os

ALLOCATORS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc.so.4", "mimalloc": "libmimalloc.so.2"}


class Libraries:
    def __init__(self, bin_folder, scratch):
        self.bin = os.path.abspath(bin_folder)
        self.agent = os.path.join(self.bin, "libplateau_agent.so")
        self.sampler = os.path.join(self.bin, "libplateau_sampler.so")
        # The same agent by another name: two versions in one process, as when a base image brings one.
        self.other_agent = os.path.join(scratch, "libplateau_agent_of_another_version.so")

    def files(self, names):
        own = {"agent": self.agent, "sampler": self.sampler, "other-agent": self.other_agent}
        return [own.get(name) or ALLOCATORS[name] for name in names]


def without_ours(names):
    return [name for name in names if name in ALLOCATORS]
