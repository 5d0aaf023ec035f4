import { render } from 'preact';
import { App } from './app.tsx';
import { startRouting } from './data/route.ts';
import { showEveryText } from './ui/every-text.ts';

const root = document.getElementById('page');
if (root !== null) {
  showEveryText();
  startRouting();
  render(<App />, root);
}
