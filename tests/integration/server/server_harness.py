# SPDX-License-Identifier: Apache-2.0
"""Starts blockdb-server on free ports of loopback, with a directory of its own, for tests."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = int(os.environ.get('BLOCKDB_TEST_PATIENCE', 30))  # seconds


def wait_for(condition, what, seconds=PATIENCE):
    """Polls until condition() is true; its last value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('waited %d s for %s' % (seconds, what))
        time.sleep(0.01)


class Server:
    """A running server. `config` is the text of a TOML file; `flags` follow it on the command
    line. `with Server(program) as s:` stops it and removes its directory."""

    def __init__(self, program, config='', flags=(), dir=None, env=None, wait=True):
        self.owns_dir = dir is None
        self.dir = dir or tempfile.mkdtemp(prefix='blockdb-server-')
        self.config_path = os.path.join(self.dir, 'server.toml')
        self.log_path = os.path.join(self.dir, 'stderr.log')
        self.port_path = os.path.join(self.dir, 'ports')
        self.data_dir = os.path.join(self.dir, 'data')
        self.write_config(config)
        if os.path.exists(self.port_path):
            os.unlink(self.port_path)
        command = [os.path.abspath(program), '--config', self.config_path,
                   '--data-dir', self.data_dir, '--port-file', self.port_path]
        if not any(f == '--port' or f.startswith('--port=') for f in flags):
            command += ['--port', '0']
        self.log = open(self.log_path, 'ab')
        environment = dict(os.environ, **(env or {}))
        self.process = subprocess.Popen(command + list(flags), stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, env=environment, cwd=self.dir)
        self.port = self.resp_port = 0
        if wait:
            self.wait_ready()

    def write_config(self, text):
        with open(self.config_path, 'w', encoding='utf-8') as f:
            f.write(text)

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError('the server ended: ' + self.log_text())
            try:
                with open(self.port_path, encoding='ascii') as f:
                    return f.read().split()
            except FileNotFoundError:
                return None
        ports = wait_for(ready, 'the server to be ready')
        self.port, self.resp_port = int(ports[0]), int(ports[1])

    def log_text(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as f:
            return f.read()

    def wait_log(self, text, count=1):
        wait_for(lambda: self.log_text().count(text) >= count, 'a line of the log: ' + text)

    def is_sanitized(self):
        """Such programs take more memory and threads."""
        with open('/proc/%d/maps' % self.process.pid, encoding='utf-8') as f:
            text = f.read()
        return 'libasan' in text or 'libtsan' in text

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGINT):
        """Exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.log.close()

    def connect(self, port=None, timeout=PATIENCE):
        return socket.create_connection(('127.0.0.1', port or self.port), timeout)

    def get(self, path, timeout=PATIENCE):
        """(status, headers, body) of a request on a connection of its own."""
        with self.connect(timeout=timeout) as s:
            s.sendall(('GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' % path).encode())
            return parse_answer(read_all(s))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        if self.owns_dir:
            shutil.rmtree(self.dir)


def read_all(s):
    data = b''
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


def parse_answer(data):
    head, _, body = data.partition(b'\r\n\r\n')
    lines = head.decode('latin-1').split('\r\n')
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(':')
        headers[name.lower()] = value.strip()
    return (int(lines[0].split(' ')[1]) if lines[0] else 0), headers, body


def make_certificate(folder, name):
    """NAME.pem and NAME.key, of their own authority, for localhost."""
    key = os.path.join(folder, name + '.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=' + name,
                    '-addext', 'subjectAltName=DNS:localhost', '-keyout', key,
                    '-out', os.path.join(folder, name + '.pem')],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
