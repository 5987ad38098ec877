// People meet through the web client: real Chromium and Firefox, the real server, decoded pixels and sound.
import './meeting.mjs';
import './devices.mjs';
import './endings.mjs';
import './gallery.mjs';
import './pages.mjs';
import './sizes.mjs';
import './access.mjs';
import './secure.mjs';
import './server_messages.mjs';
import './people.mjs';
import './trust.mjs';
import './codecs.mjs';
import './crowd.mjs';
import { run } from '../lib/runner.mjs';

await run('browser');
