"""CPU time that an idle agent adds to a program, by pairs of runs: as many as it takes to tell on which side of the bound it is."""
import dataclasses
import math

BOUND = 0.03
CONFIDENCE = 0.98  # for each look; there is one after every pair
FEWEST_PAIRS = 7  # of fewer, not even the least and the greatest contain the middle at that confidence

WITHIN, ABOVE, UNKNOWN = "within", "ABOVE THE BOUND", "cannot be told from the noise here"


def interval_of_the_middle(values):
    """Between which two of the sorted values their distribution's median is, at CONFIDENCE, whatever the distribution:
    a value is above it as often as a coin falls on one side."""
    values = sorted(values)
    count = len(values)
    outside, left_out = 0.0, 0
    while True:
        outside += 2 * math.comb(count, left_out) / 2 ** count
        if outside > 1 - CONFIDENCE:
            break
        left_out += 1
    if left_out == 0:
        return -math.inf, math.inf
    return values[left_out - 1], values[count - left_out]


@dataclasses.dataclass
class AddedCpu:
    pairs: list = dataclasses.field(default_factory=list)  # (seconds plain, seconds with the agent)

    def ratios(self):
        return sorted(agent / plain - 1 for plain, agent in self.pairs)

    def verdict(self):
        low, high = interval_of_the_middle(self.ratios())
        return WITHIN if high <= BOUND else ABOVE if low > BOUND else UNKNOWN

    def line(self):
        ratios = self.ratios()
        low, high = interval_of_the_middle(ratios)
        middle = sorted(plain for plain, _ in self.pairs)[len(self.pairs) // 2]
        return "%+5.1f %% of %.2f s (%+.1f to %+.1f in %d pairs)  %s" % (
            ratios[len(ratios) // 2] * 100, middle, low * 100, high * 100, len(ratios), self.verdict())


def measure(conformance, program, most_pairs):
    """Runs pairs, each in the other order than the one before, which a drift of the machine's speed then cancels in."""
    cost = AddedCpu()
    while len(cost.pairs) < max(most_pairs, FEWEST_PAIRS):
        modes = ("plain", "idle") if len(cost.pairs) % 2 == 0 else ("idle", "plain")
        seconds = {mode: conformance.run(program, mode).cpu_seconds for mode in modes}
        cost.pairs.append((seconds["plain"], seconds["idle"]))
        if len(cost.pairs) >= FEWEST_PAIRS and cost.verdict() != UNKNOWN:
            break
    return cost
