// The results in the page, grouped by lab.
import {gunzipSync, strFromU8} from 'fflate';

export function embedded() {
  const text = document.getElementById('data').textContent.trim();
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return JSON.parse(strFromU8(gunzipSync(bytes)));
}

// A lab may have several results: the comparison, an ablation, single arms on other allocators.
export function byLab(results) {
  const labs = new Map();
  for (const one of results) {
    const lab = one.result.lab;
    if (!labs.has(lab)) labs.set(lab, {name: lab, results: []});
    labs.get(lab).results.push(one);
  }
  return [...labs.values()].map((lab) => {
    const compared = lab.results.find((one) => one.result.verdict) ?? lab.results[0];
    const ablated = lab.results.find((one) => one.result.ablation);
    return {
      ...lab,
      main: compared.result,
      // The many arms of an ablation are shown as such, and not one by one.
      arms: compared.result.ablation ? [] : compared.result.arms,
      profiles: lab.results.flatMap((one) => one.profiles),
      ablation: ablated?.result,
      description: lab.results.map((one) => one.result.description).find(Boolean),
      measuresPauses: compared.result.arms.some((arm) => arm.pauses || arm.latency_series),
    };
  });
}

export const isOutOfMemory = (arm) => ['oom_killed', 'allocation_failed'].includes(arm.outcome);

export const outcomeText = (arm) =>
  ({completed: 'completed', running: 'still running', oom_killed: 'killed by the kernel', allocation_failed: 'out of memory'})[arm.outcome] ?? arm.outcome;

export const fixesText = (fixes) => (fixes.length === 0 ? 'none' : fixes.join(', '));

const minus = (more, less) => (more === null || less === null ? null : more - less);

// The steps of the RSS waterfall, in bytes. Their sum is RSS; the last is negative when not all that was given out was touched.
export const steps = [
  {key: 'live', name: 'live heap', closes: 'data that nobody trims: bound it, expire it', fails: 'any allocator, decay, purge'},
  {key: 'rounding', name: 'rounding, own pools', closes: 'size classes; capacity kept in arenas and buffers', fails: 'purge'},
  {key: 'slabs', name: 'pinned slabs', closes: 'separate lifetimes', fails: 'decay, purge, another allocator'},
  {key: 'padding', name: 'padding of large blocks', closes: 'fewer, smaller large blocks', fails: 'decay, purge'},
  {key: 'dirty', name: 'dirty pages, metadata', closes: 'decay, background purge', fails: ''},
  {key: 'rest', name: 'rest', closes: 'code and stacks, less pages that were never touched', fails: ''},
];

export function waterfall(sample) {
  const slack = minus(sample.active, sample.allocated);
  const slabs = minus(sample.slab_bytes, sample.slab_region_bytes);
  const known = [sample.requested, sample.allocated, sample.active, sample.resident].filter((value) => value !== null);
  return {
    live: sample.requested,
    rounding: minus(sample.allocated, sample.requested),
    slabs: slabs ?? slack,
    padding: slabs === null ? null : minus(slack, slabs),
    dirty: minus(sample.resident, sample.active),
    rest: known.length > 0 ? sample.rss - known.at(-1) : null,
  };
}

// Mean rate between moments about a hundredth of the run apart; null where the result has no counts over time.
export function allocationRate(arm) {
  const series = arm.memory.series;
  if (series[0].allocation_bytes === undefined) return null;
  const window = series.at(-1).t / 100;
  const rate = [];
  let from = series[0];
  for (const sample of series) {
    if (sample.t - from.t < window || sample.t === from.t) continue;
    rate.push({t: (from.t + sample.t) / 2, bytes_per_second: (sample.allocation_bytes - from.allocation_bytes) / (sample.t - from.t)});
    from = sample;
  }
  return rate;
}

// (1 / share of operations that were slower, latency), one point a bin, and the slowest at the end.
export function percentiles(latency) {
  const points = [];
  let seen = 0;
  for (const [upper, count] of latency.histogram) {
    seen += count;
    const slower = latency.count - seen;
    if (slower > 0) points.push([latency.count / slower, Math.min(upper, latency.max)]);
  }
  if (latency.count > 0) points.push([latency.count, latency.max]);
  return points;
}
