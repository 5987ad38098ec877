// Entry: the page's root, the theme, and the address.
import { render } from 'preact';
import { App } from './app';
import { watchForKeyboard } from '../devices/platform';
import { movedInHistory, showAddress } from './flow';
import { applyTheme } from './theme';
import { dismissTips } from '../ui/button';

applyTheme();
dismissTips();
watchForKeyboard();
window.addEventListener('popstate', () => movedInHistory());
showAddress();
const root = document.getElementById('app');
if (root) render(<App />, root);
