// Call trees of profiles: from the page's compact form to what is drawn, their differences, and functions by weight.
import {bytes, microseconds} from './format.js';

const types = {inuse_space: 'held at that moment', alloc_space: 'allocated since the start', space: 'in such blocks', lifetime: 'of life, summed over blocks', pause: 'of pauses',
  cpu: 'of CPU'};

// Values of a type, in its unit.
export const valueText = (profile, type) => (profile.types[type].unit === 'nanoseconds' ? (v) => microseconds(v / 1e3) : bytes);

export const typeName = (type) => types[type] ?? type;

// [index of name, value, children]: {name, value, children}
export function unpack(profile, type) {
  const node = ([name, value, children]) => ({name: profile.names[name], value, children: children.map(node)});
  return node(profile.types[type].tree);
}

// Every frame of `tree` is given `delta`: its value less that of the same stack in `base`.
export function subtract(tree, base) {
  const others = new Map((base?.children ?? []).map((child) => [child.name, child]));
  return {...tree, delta: tree.value - (base?.value ?? 0), children: tree.children.map((child) => subtract(child, others.get(child.name)))};
}

// By function: flat (in itself) and cumulative (with what it called; a recursive call counts once).
export function functions(tree) {
  const rows = new Map();
  const row = (name) => rows.get(name) ?? rows.set(name, {name, flat: 0, cumulative: 0}).get(name);
  const callers = new Set();
  const visit = (node, isRoot) => {
    const below = node.children.reduce((sum, child) => sum + child.value, 0);
    if (!isRoot) row(node.name).flat += Math.max(node.value - below, 0);
    const isOutermost = !isRoot && !callers.has(node.name);
    if (isOutermost) {
      row(node.name).cumulative += node.value;
      callers.add(node.name);
    }
    for (const child of node.children) visit(child, false);
    if (isOutermost) callers.delete(node.name);
  };
  visit(tree, true);
  return rows;
}
