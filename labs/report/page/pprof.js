// Reads profile.proto, as /debug/pprof/* serves it, into the call trees that flame graphs are drawn of.
// Fields: github.com/google/pprof/blob/main/proto/profile.proto
import {gunzipSync} from 'fflate';
import {PbfReader} from 'pbf';

const drawnUnits = ['bytes', 'nanoseconds'];

const isGzip = (bytes) => bytes[0] === 0x1f && bytes[1] === 0x8b;

// Repeated numbers may be packed or not; pbf reads both.
const readValueType = (tag, type, pbf) => {
  if (tag === 1) type.type = pbf.readVarint();
  else if (tag === 2) type.unit = pbf.readVarint();
};
const readLabel = (tag, label, pbf) => {
  if (tag === 1) label.key = pbf.readVarint();
  else if (tag === 2) label.text = pbf.readVarint();
};
const readSample = (tag, sample, pbf) => {
  if (tag === 1) pbf.readPackedVarint(sample.locations);
  else if (tag === 2) pbf.readPackedVarint(sample.values, true);
  else if (tag === 3) sample.labels.push(pbf.readMessage(readLabel, {key: 0, text: 0}));
};
const readLine = (tag, line, pbf) => {
  if (tag === 1) line.function = pbf.readVarint();
};
const readLocation = (tag, location, pbf) => {
  if (tag === 1) location.id = pbf.readVarint();
  else if (tag === 2) location.mapping = pbf.readVarint();
  else if (tag === 4) location.functions.push(pbf.readMessage(readLine, {function: 0}).function);
};
const readNamed = (nameTag) => (tag, named, pbf) => {
  if (tag === 1) named.id = pbf.readVarint();
  else if (tag === nameTag) named.name = pbf.readVarint();
};
const readFields = (tag, profile, pbf) => {
  if (tag === 1) profile.types.push(pbf.readMessage(readValueType, {type: 0, unit: 0}));
  else if (tag === 2) profile.samples.push(pbf.readMessage(readSample, {locations: [], values: [], labels: []}));
  else if (tag === 3) profile.mappings.push(pbf.readMessage(readNamed(5), {id: 0, name: 0}));
  else if (tag === 4) profile.locations.push(pbf.readMessage(readLocation, {id: 0, mapping: 0, functions: []}));
  else if (tag === 5) profile.functions.push(pbf.readMessage(readNamed(2), {id: 0, name: 0}));
  else if (tag === 6) profile.strings.push(pbf.readString());
};

// [from, to, objects, bytes] of each sample of a profile of foreign frees, by its labels; none of others.
function readCrossings({samples, strings, types}) {
  if (types.length !== 2) return [];
  return samples.map(({labels, values}) => {
    const text = (key) => strings[labels.find((label) => strings[label.key] === key)?.text];
    return [text('from'), text('to'), ...values];
  }).filter(([from, to]) => from && to);
}

// {names, types: {TYPE: {unit, tree: [index of name, value, children]}}, crossings}. Of a difference, what grew.
export function readProfile(bytes) {
  const raw = new PbfReader(isGzip(bytes) ? gunzipSync(bytes) : bytes)
    .readFields(readFields, {types: [], samples: [], mappings: [], locations: [], functions: [], strings: []});
  const names = ['all'];
  const indices = new Map();
  const indexOf = (name) => indices.get(name) ?? indices.set(name, names.push(name) - 1).get(name);
  const byId = (all, get) => new Map(all.map((one) => [one.id, get(one)]));
  const functions = byId(raw.functions, (one) => indexOf(raw.strings[one.name]));
  const files = byId(raw.mappings, (one) => `[${raw.strings[one.name].split('/').at(-1)}]`);
  // Innermost first, as in the samples.
  const frames = byId(raw.locations, (one) => (one.functions.length > 0 ? one.functions.map((f) => functions.get(f)) : [indexOf(files.get(one.mapping) ?? '[unknown]')]));

  const treeOf = (place) => {
    const root = {value: 0, children: new Map()};
    for (const {locations, values} of raw.samples) {
      if (!(values[place] > 0)) continue;
      let node = root;
      node.value += values[place];
      for (const name of locations.flatMap((id) => frames.get(id) ?? []).reverse()) {
        if (!node.children.has(name)) node.children.set(name, {value: 0, children: new Map()});
        node = node.children.get(name);
        node.value += values[place];
      }
    }
    const packed = (name, {value, children}) => [name, value, [...children].map(([child, below]) => packed(child, below))];
    return packed(0, root);
  };
  const types = {};
  raw.types.forEach(({type, unit}, place) => {
    if (!drawnUnits.includes(raw.strings[unit])) return;
    const tree = treeOf(place);
    if (tree[1] > 0) types[raw.strings[type]] = {unit: raw.strings[unit], tree};
  });
  return {names, types, crossings: readCrossings(raw)};
}
