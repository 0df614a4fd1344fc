// Knobs of the running process: what is in force as the process says, and what came of turning them.
import {h} from '../../report/page/dom.js';
import {changeText, clock, valueText} from './live_text.js';

const megabyte = 1e6;
// As people read and type it: bytes in MB.
const scaleOf = (knob) => (knob.unit === 'B' ? {unit: 'MB', factor: megabyte, asAsked: Math.round} : {unit: knob.unit ?? '', factor: 1, asAsked: (value) => value});

class Knob {
  constructor(knob, turn) {
    this.knob = knob;
    this.turn = turn;
    const id = `knob-${knob.id}`;
    this.note = h('p', {class: 'note', id: `${id}-note`});
    this.error = h('p', {class: 'error', role: 'alert'});
    this.controls = [];
    this.now = h('output', {class: 'now'});
    const line = {switch: () => this.switchLine(id, knob.name), action: () => this.actionLine(id, knob.name), number: () => this.numberLine(id, knob.name)}[knob.kind]();
    this.element = h('div', {class: 'knob', id}, line, this.note, this.error);
    this.update(knob);
  }

  control(tag, attributes, ...children) {
    const made = h(tag, {'aria-describedby': this.note.id, ...attributes}, ...children);
    this.controls.push(made);
    return made;
  }

  switchLine(id, name) {
    const box = this.control('input', {type: 'checkbox', role: 'switch', id: `${id}-value`, onchange: () => this.ask(box.checked)});
    this.show = (value) => { box.checked = value === true; };
    return h('label', {class: 'line'}, box, ' ', h('b', {}, name));
  }

  actionLine(id, name) {
    this.show = () => {};
    return this.control('button', {type: 'button', id: `${id}-value`, onclick: () => this.ask(null)}, name);
  }

  numberLine(id, name) {
    const {unit, factor, asAsked} = scaleOf(this.knob);
    const input = this.control('input', {type: 'number', id: `${id}-value`, step: 'any', min: this.knob.min / factor, max: this.knob.max / factor, required: true});
    const set = this.control('button', {type: 'submit'}, 'Set');
    const presets = this.knob.presets.map((value) => this.control('button', {type: 'button', class: 'preset', onclick: () => this.ask(value)}, String(value / factor)));
    // What somebody is typing is left alone.
    this.show = (value) => { if (document.activeElement !== input) input.value = value === null ? '' : Number((value / factor).toPrecision(7)); };
    return h('form', {onsubmit: (event) => { event.preventDefault(); this.ask(asAsked(Number(input.value) * factor)); }},
      h('label', {for: input.id}, h('b', {}, name)), this.now,
      h('div', {class: 'line'}, input, ' ', unit, ' ', set, presets.length > 0 ? [' ', presets] : null));
  }

  update(knob) {
    this.knob = knob;
    this.show(knob.value);
    this.now.textContent = knob.kind === 'number' ? valueText(knob.unit, knob.value) : '';
    for (const control of this.controls) control.disabled = !knob.available;
    this.element.classList.toggle('unavailable', !knob.available);
    this.note.textContent = knob.available ? knob.meaning : [knob.meaning, `Not here: ${knob.why_not}.`].filter(Boolean).join(' ');
  }

  async ask(value) {
    const focused = document.activeElement;
    this.error.textContent = '';
    this.controls.forEach((control) => { control.disabled = true; });
    const answer = await this.turn(this.knob.id, value).catch((error) => ({error: String(error.message ?? error)}));
    if (answer.error !== undefined) this.error.textContent = answer.error;
    this.update({...this.knob, value: answer.error === undefined ? answer.value : this.knob.value});
    if (this.controls.includes(focused)) focused.focus();
  }
}

export class KnobPanel {
  constructor(place) {
    this.place = place;
    this.knobs = new Map();
    this.log = h('ol', {class: 'log', id: 'changes', 'aria-live': 'polite'});
  }

  begin(hello) {
    const turn = async (id, value) => {
      const reply = await fetch(`/live/knobs/${id}`, {method: 'POST', headers: {'Content-Type': 'application/json', 'X-Plateau-Token': hello.token}, body: JSON.stringify({value})});
      return reply.json().catch(() => ({error: `the answer was ${reply.status}`}));
    };
    if (hello.knobs.length === this.knobs.size && hello.token === this.token) {
      this.update(hello.knobs);  // and not made anew under somebody's hands
    } else {
      this.knobs = new Map(hello.knobs.map((knob) => [knob.id, new Knob(knob, turn)]));
      const of = (group) => [...this.knobs.values()].filter((one) => one.knob.group === group).map((one) => one.element);
      this.place.replaceChildren(h('h3', {}, 'Knobs'), ...of('knobs'), h('h3', {}, 'Fixes'), ...of('fixes'), h('h3', {}, 'Changes'), this.log);
    }
    this.token = hello.token;
    this.log.replaceChildren();
    hello.marks.forEach((mark) => this.mark(mark));
  }

  update(knobs) {
    for (const knob of knobs) this.knobs.get(knob.id)?.update(knob);
  }

  // Newest first.
  mark(mark) {
    const change = changeText(mark);
    this.log.prepend(h('li', {'data-knob': mark.knob}, h('time', {}, clock(mark.t)), ' ', mark.name, change ? `: ${change}` : ''));
  }
}
