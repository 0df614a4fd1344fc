// Who frees whose memory: a matrix of threads, those that allocated by those that freed.
import {h} from './dom.js';
import {bytes, number} from './format.js';

const shownThreads = 10;  // one by one; where there are more, those of one name are together

const nameOf = (thread) => thread.replace(/ \d+$/, '');

// What a thread is called in the matrix.
function labels(crossings) {
  const threads = new Set(crossings.flatMap(([from, to]) => [from, to]));
  if (threads.size <= shownThreads) return (thread) => thread;
  const counts = new Map();
  for (const thread of threads) counts.set(nameOf(thread), (counts.get(nameOf(thread)) ?? 0) + 1);
  return (thread) => (counts.get(nameOf(thread)) > 1 ? `${nameOf(thread)} (${counts.get(nameOf(thread))} threads)` : thread);
}

// {froms, tos, cells: FROM → TO → {objects, bytes}, most, total}, heaviest first. crossings: [from, to, objects, bytes]….
export function crossingMatrix(crossings) {
  const label = labels(crossings);
  const cells = new Map();
  const sums = {from: new Map(), to: new Map()};
  const add = (sum, key, value) => sum.set(key, (sum.get(key) ?? 0) + value);
  for (const [from, to, objects, size] of crossings) {
    const [row, column] = [label(from), label(to)];
    if (!cells.has(row)) cells.set(row, new Map());
    const cell = cells.get(row).get(column) ?? {objects: 0, bytes: 0};
    cells.get(row).set(column, {objects: cell.objects + objects, bytes: cell.bytes + size});
    add(sums.from, row, size);
    add(sums.to, column, size);
  }
  const heaviest = (sum) => [...sum].sort((a, b) => b[1] - a[1]).map(([key]) => key);
  const sizes = [...cells.values()].flatMap((row) => [...row.values()].map((cell) => cell.bytes));
  return {froms: heaviest(sums.from), tos: heaviest(sums.to), cells, most: Math.max(1, ...sizes), total: sizes.reduce((sum, size) => sum + size, 0)};
}

function matrixTable(name, crossings) {
  const {froms, tos, cells, most, total} = crossingMatrix(crossings);
  const cell = (from, to) => {
    const found = cells.get(from)?.get(to);
    if (!found) return h('td', {class: 'figure'}, '–');
    const share = Math.round(100 * Math.sqrt(found.bytes / most));
    return h('td', {class: 'figure', style: `--share: ${share}%`, 'data-value': found.bytes, title: `${from} allocated, ${to} freed: ${number(Math.round(found.objects))} blocks`}, bytes(found.bytes));
  };
  const caption = `${name}: ${bytes(total)} were freed by another thread than allocated them`;
  return h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption},
    h('table', {class: 'crossings'},
      h('caption', {}, caption),
      h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'allocated by ↓, freed by →'), tos.map((to) => h('th', {scope: 'col', class: 'figure'}, to)))),
      h('tbody', {}, froms.map((from) => h('tr', {}, h('th', {scope: 'row'}, from), tos.map((to) => cell(from, to)))))));
}

const profileName = (profile) => `${profile.arm}, ${profile.moment}`;

// Of profiles that have `crossings`; null where none has any.
export function crossingsSection(lab) {
  const profiles = lab.profiles.filter((profile) => profile.crossings?.length > 0);
  if (profiles.length === 0) return null;
  const which = h('select', {id: `${lab.name}-crossings-profile`}, profiles.map((profile, i) => h('option', {value: i}, profileName(profile))));
  const place = h('div');
  const show = () => place.replaceChildren(matrixTable(profileName(profiles[which.value]), profiles[which.value].crossings));
  which.addEventListener('change', show);
  show();
  return h('figure', {id: `${lab.name}-crossings-matrix`},
    h('div', {class: 'controls', hidden: profiles.length < 2}, h('label', {for: which.id}, 'Profile ', which)),
    place,
    h('figcaption', {}, 'What a thread frees of its own is not in it. Foreign frees strand memory in caches between threads and take locks; memory that goes back whole to the thread that owns it has none. Sampled, so small figures are rough.'));
}
