// What is needed to repeat a run: machine, versions, settings, command lines.
import {h} from './dom.js';
import {bytes, duration, mb, number} from './format.js';
import {fixesText, outcomeText} from './results.js';
import {table} from './table.js';

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

export function provenanceSection(lab) {
  return lab.results.map(({file, result}) => {
    const arms = result.arms;
    const row = (name, get) => [name, ...arms.map(get)];
    return h('details', {class: 'provenance', open: lab.results.length === 1}, h('summary', {}, file),
      result.command?.length > 0 ? h('p', {}, 'Command: ', h('code', {}, result.command.map(quoted).join(' '))) : null,
      h('p', {}, `Machine: ${result.machine.kernel}, ${result.machine.cpus} processors, ${bytes(result.machine.memory_bytes)} of memory, ` +
        `transparent huge pages: ${result.machine.transparent_huge_pages}. Options: ${JSON.stringify(result.options)}.`),
      table({
        caption: `Settings and outcomes in ${file}`,
        columns: [{name: 'setting', words: true}, ...arms.map((arm) => ({name: arm.name, words: true}))],
        rows: [
          row('fixes', (arm) => fixesText(arm.fixes)),
          row('outcome', (arm) => outcomeText(arm)),
          row('the kernel’s evidence', (arm) => arm.evidence),
          row('memory limit', (arm) => (arm.limit.bytes === null ? 'none' : `${mb(arm.limit.bytes)}, by ${arm.limit.by}`)),
          row('allocator', (arm) => `${arm.allocator.name} ${arm.allocator.version}`),
          row('its settings, read back', (arm) => arm.allocator.configuration),
          row('environment', (arm) => (arm.allocator.environment ?? []).join(' ')),
          row('simulated time', (arm) => `${duration(arm.simulated_seconds)}, ${number(arm.speedup)} times as fast as real time`),
          row('CPUs in use, of those to be had', (arm) => (arm.capacity ? `${number(100 * arm.capacity.used)} % of ${number(arm.capacity.cpus)}` : '–')),
          row('wall clock, CPU', (arm) => `${number(arm.wall_seconds)} s, ${number(arm.cpu_seconds)} s`),
          row('operations, seed', (arm) => `${number(arm.input.operations)}, ${arm.input.seed}`),
          row('page faults, minor and major', (arm) => `${number(arm.memory.minor_faults)}, ${number(arm.memory.major_faults)}`),
          row('purges, madvise calls', (arm) => `${number(arm.memory.purges)}, ${number(arm.memory.madvise_calls)}`),
          row('checksum of the output', (arm) => arm.checksum ?? '–'),
          ...Object.keys(arms[0].gauges).map((gauge) => row(gauge, (arm) => number(arm.gauges[gauge]))),
        ],
      }));
  });
}
