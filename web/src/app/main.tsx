// Entry: the page's root, the theme, and the address.
import { render } from 'preact';
import { App } from './app';
import { showAddress } from './flow';
import { applyTheme } from './theme';
import { dismissTips } from '../ui/button';

applyTheme();
dismissTips();
window.addEventListener('popstate', () => showAddress());
showAddress();
const root = document.getElementById('app');
if (root) render(<App />, root);
