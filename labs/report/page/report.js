import {ablationSection, fixesSection, wrongFixesSection} from './ablation.js';
import {crossingsSection} from './crossings.js';
import {h} from './dom.js';
import {flameSection} from './flame.js';
import {sentence} from './format.js';
import {growthFigure} from './growth.js';
import {latencyOverTimeFigure, pauseCausesFigure, percentileFigure} from './latency.js';
import {seenSection} from '../../live/page/live_seen.js';
import {matrixFigure} from './matrix.js';
import {provenanceSection} from './provenance.js';
import {rateFigure} from './rate.js';
import {byLab, embedded} from './results.js';
import {setUpTheme} from './theme.js';
import {outcomeLines, predictionsSection, verdictLine, verdictTable} from './verdict.js';
import {waterfallSection} from './waterfall.js';
import './style.css';

const title = (lab) => lab.name.replaceAll('_', ' ');

// Of a lab: [id, heading, contents]; what a result does not have is left out.
function sections(lab) {
  const isLive = Boolean(lab.main.live);
  const hasArms = lab.arms.length > 0;
  const hasRuns = hasArms && !isLive;  // whose time is simulated
  return [
    ['seen', 'What was seen', () => isLive && seenSection(lab)],
    ['targets', 'What was to be met', () => lab.main.verdict && verdictTable(lab)],
    ['memory', 'Where the memory is', () => hasArms && [lab.measuresPauses && hasRuns ? growthFigure(lab, lab.arms) : null, ...waterfallSection(lab, hasRuns)]],
    ['allocation', 'Allocation', () => hasRuns && rateFigure(lab)],
    ['ablation', 'What each fix bought', () => lab.ablation && ablationSection(lab)],
    ['wrong', 'Wrong fixes', () => wrongFixesSection(lab)],
    ['latency', 'Latency', () => hasArms && percentileFigure(lab)],
    ['pauses', 'Pauses', () => lab.measuresPauses && pauseCausesFigure(lab)],
    ['predictions', 'Predictions', () => predictionsSection(lab)],
    ['allocators', 'Allocators', () => matrixFigure(lab)],
    ['crossings', 'Who frees whose memory', () => crossingsSection(lab)],
    ['heap', 'Heap profiles', () => flameSection(lab)],
    ['fixes', 'Causes and fixes', () => fixesSection(lab)],
    ['repeat', 'To repeat it', () => provenanceSection(lab)],
  ].map(([id, heading, make]) => [id, heading, make()]).filter(([, , contents]) => contents && [contents].flat().some(Boolean));
}

function labElement(lab) {
  const parts = sections(lab);
  const picture = !lab.main.live && ((lab.measuresPauses && latencyOverTimeFigure(lab, 'hero')) || (lab.arms.length > 0 && growthFigure(lab, lab.arms, 'hero')));
  return h('article', {id: lab.name, class: 'lab'},
    h('header', {},
      h('p', {class: 'eyebrow'}, title(lab)),
      h('h2', {}, sentence(lab.description?.symptom ?? title(lab))),
      verdictLine(lab), outcomeLines(lab), picture || null),
    h('nav', {class: 'contents', 'aria-label': `Sections of ${title(lab)}`}, parts.map(([id, heading]) => h('a', {href: `#${lab.name}-${id}`}, heading))),
    parts.map(([id, heading, contents]) => h('section', {id: `${lab.name}-${id}`}, h('h3', {}, heading), contents)));
}

function main() {
  setUpTheme(document.getElementById('theme'));
  const data = embedded();
  const labs = byLab(data.results);
  const content = document.getElementById('content');
  content.append(...labs.map(labElement));
  document.getElementById('labs').append(...labs.map((lab) => h('a', {href: `#${lab.name}`}, title(lab))));
  if (data.missing_profiles.length > 0) {
    content.append(h('p', {class: 'note'}, `Heap profiles that were not there any more: ${data.missing_profiles.join(', ')}.`));
  }
  content.append(h('footer', {}, `Written ${data.written} from ${data.results.map((one) => one.file).join(', ')}. ` +
    'Every figure is from these files; nothing is fetched.'));
}

main();
