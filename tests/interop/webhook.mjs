// Webhooks: what happens in a room is posted, signed; meetings are not.
import http from 'node:http';
import { WebhookReceiver } from 'livekit-server-sdk';
import WebSocket from 'ws';
import { check, test, until } from '../lib/runner.mjs';
import { enter } from '../lib/member.mjs';
import { apiKey, apiSecret, startServer } from '../lib/server.mjs';

test('room events are posted in order and verify with the server SDK; meetings post nothing', { timeoutMs: 60_000 }, async (t) => {
  const posts = [];
  const receiver = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      posts.push({ body, authorization: request.headers.authorization, type: request.headers['content-type'] });
      response.end();
    });
  });
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.defer(() => receiver.close());
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  const server = await startServer(t, { extraConfig: `webhook:\n  api_key: ${apiKey}\n  urls: ["${url}"]\n` });
  const join = async (token) => {
    const socket = new WebSocket(`${server.wsUrl}/rtc?access_token=${token}`);
    await new Promise((resolve, reject) => {
      socket.once('message', resolve);
      socket.once('error', reject);
    });
    return socket;
  };
  const meeting = await server.newMeeting();
  const { id } = meeting;
  const ann = await enter(t, server, meeting, 'Ann');
  const inMeeting = await join(ann.token);
  const socket = await join(await server.token('open', 'me'));
  socket.terminate();
  inMeeting.terminate();
  await until('the events', () => posts.length >= 3);
  const verifier = new WebhookReceiver(apiKey, apiSecret);
  const events = await Promise.all(posts.map((post) => verifier.receive(post.body, post.authorization)));
  const names = events.map((event) => event.event);
  check(names[0] === 'room_started' && names[1] === 'participant_joined', `events ${names}`);
  check(posts.every((post) => post.type === 'application/webhook+json'), 'content type');
  check(!posts.some((post) => post.body.includes(id)), 'a meeting link left the server');
});
