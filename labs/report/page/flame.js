// Flame graphs of heap profiles: by arm and moment, held or allocated, or against another profile; zoom and search.
import flamegraph from 'd3-flame-graph';
import {select} from 'd3-selection';
import {h} from './dom.js';
import {percent} from './format.js';
import {functions, subtract, typeName, unpack, valueText} from './flame_tree.js';
import {table} from './table.js';
import {onTheme, theme} from './theme.js';

const shownFunctions = 20;

// One function has one colour, in every graph.
function hue(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; ++i) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619) >>> 0;
  return hash;
}

const isDarkPage = () => document.documentElement.dataset.theme === 'dark';

const plainColour = (name) => {
  const hash = hue(name);
  const dark = isDarkPage();
  return `hsl(${15 + (hash % 40)} ${(dark ? 45 : 70) + ((hash >>> 6) % 20)}% ${(dark ? 30 : 66) + ((hash >>> 12) % 12)}%)`;
};

// More than in the other profile: before's colour; less: after's; the stronger, the more of the whole it is.
function differenceColour(node, whole) {
  const share = Math.min(1, Math.sqrt(Math.abs(node.delta ?? 0) / Math.max(whole, 1)) * 1.4);
  return `color-mix(in oklab, ${node.delta > 0 ? theme().before : theme().after} ${Math.round(share * 85)}%, ${isDarkPage() ? '#33383f' : '#eceef1'})`;
}

const profileName = (profile) => `${profile.arm}, ${profile.moment}`;

export function flameSection(lab) {
  const profiles = lab.profiles.filter((profile) => Object.keys(profile.types).length > 0);
  if (profiles.length === 0) return null;

  const option = (value, text) => h('option', {value}, text);
  const which = h('select', {id: `${lab.name}-flame-profile`}, profiles.map((p, i) => option(i, profileName(p))));
  const measure = h('select', {id: `${lab.name}-flame-type`});
  const against = h('select', {id: `${lab.name}-flame-against`});
  const search = h('input', {type: 'search', id: `${lab.name}-flame-search`, placeholder: 'function name', autocomplete: 'off'});
  const reset = h('button', {type: 'button'}, 'Reset zoom');
  const place = h('div', {class: 'flame', role: 'img', 'aria-label': 'Flame graph; the functions are in the table below'});
  const details = h('output', {class: 'details', 'aria-live': 'off'});
  const found = h('output', {class: 'details', 'aria-live': 'polite'});
  const caption = h('figcaption');
  const list = h('div');

  const heaviest = () => {
    const index = profiles.findIndex((p) => p.arm === 'before' && p.moment === 'peak');
    return index >= 0 ? index : 0;
  };
  which.value = heaviest();

  let chart = null;
  let tree = null;
  let text = String;  // of a value

  function fillChoices() {
    const profile = profiles[which.value];
    const chosenType = measure.value;
    const chosenBase = against.value;
    measure.replaceChildren(...Object.keys(profile.types).map((type) => option(type, typeName(type))));
    if (profile.types[chosenType]) measure.value = chosenType;
    against.replaceChildren(option('', 'nothing'),
      ...profiles.map((p, i) => [p, i]).filter(([p]) => p !== profile && p.types[measure.value]).map(([p, i]) => option(i, profileName(p))));
    if ([...against.options].some((o) => o.value === chosenBase)) against.value = chosenBase;
  }

  function describe(node) {
    const value = `${text(node.value)} (${percent((100 * node.value) / tree.value).replace('+', '')})`;
    const change = node.delta === undefined ? '' : `, ${node.delta >= 0 ? '+' : ''}${text(node.delta)} against ${profileName(profiles[against.value])}`;
    return `${node.name}: ${value}${change}`;
  }

  function draw() {
    const width = place.clientWidth;
    if (width === 0) return;
    place.replaceChildren();
    chart = flamegraph().width(width).cellHeight(18).minFrameSize(1).transitionDuration(150).transitionEase((t) => t).sort(true).tooltip(false).title('')
      .inverted(true)
      .label((d) => describe(d.data))
      .onHover((d) => { details.textContent = describe(d.data); })
      .setColorMapper((d, original) => (d.highlight ? (isDarkPage() ? '#b07cff' : '#c79bff') : against.value === '' ? plainColour(d.data.name) : differenceColour(d.data, tree.value) ?? original));
    select(place).datum(structuredClone(tree)).call(chart);
    look();
  }

  function look() {
    const wanted = search.value.trim();
    if (wanted === '') {
      chart.clear();
      found.textContent = '';
      return;
    }
    chart.search(wanted.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const covered = (node) => (node.name.toLowerCase().includes(wanted.toLowerCase()) ? node.value : node.children.reduce((sum, c) => sum + covered(c), 0));
    const sum = covered(tree);
    found.textContent = `“${wanted}”: ${text(sum)}, ${percent((100 * sum) / tree.value).replace('+', '')} of the whole`;
  }

  function listFunctions(base) {
    const rows = functions(tree);
    const others = base ? functions(base) : null;
    const names = others ? new Set([...rows.keys(), ...others.keys()]) : rows.keys();
    const none = {flat: 0, cumulative: 0};
    const all = [...names].map((name) => {
      const row = rows.get(name) ?? none;
      const other = others?.get(name) ?? none;
      return [name, row.flat, row.cumulative, ...(others ? [other.flat, row.flat - other.flat] : [])];
    });
    const weight = (row) => Math.abs(others ? row[4] : row[1]);
    all.sort((a, b) => weight(b) - weight(a) || b[2] - a[2]);
    list.replaceChildren(table({
      caption: `The ${Math.min(shownFunctions, all.length)} functions that ${others ? 'differ' : 'hold'} most`,
      columns: [{name: 'function', words: true, text: (name) => name}, {name: 'in itself', text}, {name: 'with what it called', text},
        ...(others ? [{name: 'the other, in itself', text}, {name: 'difference', text: (v) => `${v > 0 ? '+' : ''}${text(v)}`}] : [])],
      rows: all.slice(0, shownFunctions),
    }));
  }

  function show() {
    fillChoices();
    const profile = profiles[which.value];
    const type = measure.value;
    const base = against.value === '' ? null : unpack(profiles[against.value], type);
    text = valueText(profile, type);
    tree = unpack(profile, type);
    if (base) tree = subtract(tree, base);
    caption.textContent = `${profileName(profile)}: ${text(tree.value)} ${typeName(type)}` +
      (base ? `, against ${text(base.value)} in ${profileName(profiles[against.value])}. Widths are this profile’s; orange is more than in the other, blue is less. What only the other has is in the table.`
        : '. Callers are above what they called; width is the value. Click a frame to zoom in.') +
      ` From ${profile.file}; sampled, so small figures are rough.`;
    draw();
    listFunctions(base);
  }

  for (const control of [which, measure, against]) control.addEventListener('change', show);
  search.addEventListener('input', () => chart && look());
  reset.addEventListener('click', () => chart?.resetZoom());
  onTheme(() => tree && draw());
  let drawnWidth = 0;
  new ResizeObserver(() => {
    if (place.clientWidth === drawnWidth) return;
    drawnWidth = place.clientWidth;
    if (tree) draw();
    else show();
  }).observe(place);

  const label = (text, control) => h('label', {for: control.id}, text, ' ', control);
  return [h('figure', {id: `${lab.name}-flame`},
    h('h4', {}, 'Who holds the memory, and who allocates it'),
    h('div', {class: 'controls'}, label('Profile', which), label('What', measure), label('Against', against), label('Search', search), reset),
    h('div', {class: 'flame-lines'}, details, found), place, caption), list];
}
