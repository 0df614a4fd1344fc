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

// The parts of the waterfall that were measured in any of these, in order; each has its parts by id.
export const measuredParts = (result, measured) => result.waterfall.filter((part) => measured.some(({parts}) => parts[part.id] !== undefined));

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
