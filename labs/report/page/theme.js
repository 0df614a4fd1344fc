// Light and dark, as the system says or as the reader chooses; charts are told to draw themselves again.
//
// Colours after Okabe and Ito, which people with any colour vision tell apart; before is warm, after is blue, everywhere.
const light = {
  ink: '#1b1d21', muted: '#5d636d', line: '#d6d9de', faint: '#eceef1', surface: '#ffffff',
  before: '#c44e00', after: '#0063a3', other: ['#7a5195', '#00795a', '#8a6d00', '#b03a79', '#4a5568'],
  machine: '#8a919c', limit: '#5d636d', bad: '#b3261e', good: '#00694f',
  parts: {requested: '#4a5b7c', live: '#4a5b7c', rounding: '#9fb0cb', slabs: '#cc6fa5', padding: '#e0a100', dirty: '#009e73', metadata: '#c44e00', free: '#7a5195', muzzy: '#8fd3bd', lazyfree: '#8fd3bd',
    file: '#8a6d00', shared: '#b03a79', rest: '#b4b8bf'},
  columns: {p50: '#9fb0cb', p99: '#0063a3', p999: '#c44e00', max: '#1b1d21'},
  causes: {purge: '#c44e00', purge_wait: '#e0a100', teardown: '#cc6fa5', collector: '#7a5195', fault: '#4a5b7c', machine: '#c9cdd3', unexplained: '#1b1d21'},
};
const dark = {
  ink: '#e8eaed', muted: '#a2a9b4', line: '#3c424c', faint: '#2a2f37', surface: '#16191e',
  before: '#ff9350', after: '#62b5f5', other: ['#b99ad6', '#3cc9a0', '#d6b94a', '#ee8fbe', '#a9b4c6'],
  machine: '#8d95a1', limit: '#a2a9b4', bad: '#ff8a80', good: '#4fd1a8',
  parts: {requested: '#7f93bd', live: '#7f93bd', rounding: '#4f5f80', slabs: '#dd86b8', padding: '#e3ae2c', dirty: '#1fb587', metadata: '#ff9350', free: '#b99ad6', muzzy: '#2f6f60', lazyfree: '#2f6f60',
    file: '#d6b94a', shared: '#ee8fbe', rest: '#6b717b'},
  columns: {p50: '#4f5f80', p99: '#62b5f5', p999: '#ff9350', max: '#e8eaed'},
  causes: {purge: '#ff9350', purge_wait: '#e3ae2c', teardown: '#dd86b8', collector: '#b99ad6', fault: '#7f93bd', machine: '#4a505a', unexplained: '#e8eaed'},
};

const system = window.matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set();
let chosen = null;
let printing = false;

const isDark = () => !printing && (chosen ?? (system.matches ? 'dark' : 'light')) === 'dark';
export const theme = () => (isDark() ? dark : light);
export const onTheme = (listener) => listeners.add(listener);

function tell() {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

export function colourOf(arm, index) {
  const colours = theme();
  return {before: colours.before, after: colours.after}[arm] ?? colours.other[index % colours.other.length];
}

// A part that has no colour of its own yet still has one, always the same.
export function colourOfPart(id) {
  const {parts, other} = theme();
  return parts[id] ?? other[[...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % other.length];
}

export function setUpTheme(button) {
  const show = () => {
    button.textContent = isDark() ? '☀ Light' : '☾ Dark';
    button.setAttribute('aria-label', isDark() ? 'Use light colours' : 'Use dark colours');
  };
  button.addEventListener('click', () => {
    chosen = isDark() ? 'light' : 'dark';
    tell();
    show();
  });
  system.addEventListener('change', () => {
    tell();
    show();
  });
  window.addEventListener('beforeprint', () => {
    printing = true;
    tell();
  });
  window.addEventListener('afterprint', () => {
    printing = false;
    tell();
  });
  tell();
  show();
}
