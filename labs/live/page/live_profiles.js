// Profiles of the running service: taken at the press of a button, drawn as flame graphs, or saved for pprof.
import {crossingsSection} from '../../report/page/crossings.js';
import {h} from '../../report/page/dom.js';
import {flameSection} from '../../report/page/flame.js';
import {clock} from './live_text.js';
import {readProfile} from '../../report/page/pprof.js';

const kinds = [
  {name: 'Heap: what is held now', short: 'heap', path: () => '/debug/pprof/heap'},
  {name: 'Allocations since the start', short: 'allocations', path: () => '/debug/pprof/allocs'},
  {name: 'Heap: what changes meanwhile', short: 'change', path: (seconds) => `/debug/pprof/heap?seconds=${seconds}`, lasts: true},
  {name: 'CPU', short: 'CPU', path: (seconds) => `/debug/pprof/profile?seconds=${seconds}`, lasts: true},
  {name: 'RSS, all of it', short: 'RSS', path: () => '/debug/pprof/rss'},
  {name: 'Lifetimes of blocks', short: 'lifetimes', path: () => '/debug/pprof/lifetimes'},
  {name: 'Foreign frees, by threads', short: 'foreign frees', path: () => '/debug/pprof/crossfree'},
  {name: 'Temporaries', short: 'temporaries', path: () => '/debug/pprof/temporaries'},
  {name: 'Pauses, by cause', short: 'pauses', path: () => '/debug/pprof/pauses'},
];
const kept = 8;  // for comparison

async function take(path) {
  const reply = await fetch(path);
  if (!reply.ok) throw new Error((await reply.text()).trim() || `the answer was ${reply.status}`);
  return readProfile(new Uint8Array(await reply.arrayBuffer()));
}

export function profilesSection(history) {
  let profiles = [];
  const kind = h('select', {id: 'profile-kind'}, kinds.map((one, i) => h('option', {value: i}, one.name)));
  const seconds = h('input', {id: 'profile-seconds', type: 'number', min: 1, max: 300, value: 10});
  const lasting = h('label', {}, 'for ', seconds, ' s');
  const draw = h('button', {type: 'button'}, 'Flame graph');
  const save = h('a', {download: true}, 'Save for pprof');
  const message = h('p', {class: 'note', role: 'status'});
  const matrix = h('div', {id: 'live-crossings'});
  const place = h('div', {id: 'live-flames'});
  const chosen = () => kinds[kind.value];
  const path = () => chosen().path(Math.min(300, Math.max(1, Number(seconds.value) || 1)));

  function show() {
    lasting.hidden = !chosen().lasts;
    save.href = path();
  }
  for (const control of [kind, seconds]) control.addEventListener('input', show);
  draw.addEventListener('click', async () => {
    const {name, short, lasts} = chosen();
    const file = path();  // as chosen now, and not when the recording ends
    draw.disabled = true;
    message.textContent = lasts ? `${name}: recording for ${seconds.value} s` : `${name}: fetching`;
    try {
      const profile = await take(file);
      if (Object.keys(profile.types).length === 0) throw new Error('nothing was recorded');
      message.textContent = '';
      profiles = [{...profile, arm: short, moment: `at ${clock(history.t.at(-1) ?? 0)}`, file}, ...profiles].slice(0, kept);
      matrix.replaceChildren(...[crossingsSection({name: 'live', profiles})].filter(Boolean));
      place.replaceChildren(...(flameSection({name: 'live', profiles}) ?? []));
    } catch (error) {
      message.textContent = `${name}: ${error.message}`;
    }
    draw.disabled = false;
  });
  show();
  return h('div', {}, h('h3', {}, 'Profiles'), h('div', {class: 'controls'}, h('label', {}, 'Profile ', kind), lasting, draw, save), message, matrix, place);
}
