"""The service manager's side of sd_notify: prints what comes to the datagram socket at argv[1], a line each."""
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print('listening', flush=True)
while True:
    print(listener.recv(4096).decode(), flush=True)
