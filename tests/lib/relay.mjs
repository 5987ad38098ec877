// A TCP relay in front of a server, whose connections a test can cut, as a network that drops out does.
import net from 'node:net';

export async function startRelay(t, targetPort) {
  const sockets = new Set();
  let open = true;
  const server = net.createServer((client) => {
    if (!open) return client.destroy();
    const target = net.connect(targetPort, '127.0.0.1');
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        (socket === client ? target : client).destroy();
      });
    }
    client.pipe(target);
    target.pipe(client);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const relay = {
    port: server.address().port,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    block: () => {
      open = false;
      relay.cut();
    },
    unblock: () => (open = true),
  };
  t.defer(() => {
    relay.block();
    server.close();
  });
  return relay;
}
