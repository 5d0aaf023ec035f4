import { render } from 'preact';
import { App } from './app.tsx';
import { startRouting } from './data/route.ts';

const root = document.getElementById('page');
if (root !== null) {
  startRouting();
  render(<App />, root);
}
