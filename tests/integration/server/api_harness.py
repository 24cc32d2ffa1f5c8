# SPDX-License-Identifier: Apache-2.0
"""A server with a client for the HTTP API, which holds each answer against the description that the
server itself gives at /openapi.json."""
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from urllib.parse import quote

from openapi import Description
from server_harness import Server, wait_for

PROGRAM = None  # set by main()
CLI = None


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    def json(self):
        return json.loads(self.body)


class ApiTest(unittest.TestCase):
    """All tests of a class share one server."""
    CONFIG = ''
    SIGNS = False  # with a signing key and the map of newest versions
    HEADERS = {}  # of all requests

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix='blockdb-api-test.')
        cls.addClassCleanup(folder.cleanup)
        config = cls.CONFIG.replace('@DIR@', folder.name)
        if cls.SIGNS:
            config += cls.signing(folder.name)
        cls.prepare(folder.name)
        cls.server = Server(PROGRAM, config, dir=folder.name)
        cls.addClassCleanup(cls.server.__exit__)
        cls.connection = http.client.HTTPConnection('127.0.0.1', cls.server.port, timeout=30)
        cls.description = None
        cls.description = Description(cls.ask('GET', '/openapi.json').body)

    @classmethod
    def prepare(cls, folder):
        """Before the server starts."""

    @staticmethod
    def signing(folder):
        key = os.path.join(folder, 'key')
        done = subprocess.run([CLI, 'keygen', '--origin', 'example.org/log', '--out', key],
                              stdout=subprocess.PIPE, text=True, check=True)
        with open(os.path.join(folder, 'vkey'), 'w', encoding='ascii') as f:
            f.write(done.stdout)
        return ('\n[ledger]\norigin = "example.org/log"\nsigning_key_file = "%s"\n'
                'proof_map = true\n' % key)

    @classmethod
    def tearDownClass(cls):
        cls.connection.close()
        code = cls.server.stop()  # a sanitizer tells of leaks by it
        assert code == 0, 'exit code %d: %s' % (code, cls.server.log_text()[-4000:])

    @classmethod
    def ask(cls, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        try:
            cls.connection.request(method, path, body, dict(cls.HEADERS, **(headers or {})))
            got = cls.connection.getresponse()
        except Exception:
            cls.connection.close()  # the next test begins anew
            raise
        answer = Answer(got.status, got.getheaders(), got.read())
        if cls.description is not None:
            cls.description.check_answer(method, path, answer.status,
                                         answer.headers.get('content-type', ''), answer.body)
            if body and answer.status < 300:
                cls.description.check_request(method, path, body)
        return answer

    def ok(self, method, path, body=None, headers=None, status=200):
        answer = self.ask(method, path, body, headers)
        self.assertEqual(answer.status, status, (method, path, answer.body[:400]))
        return answer.json() if answer.headers['content-type'] == 'application/json' else answer

    def refused(self, status, word, method, path, body=None, headers=None, says=''):
        answer = self.ask(method, path, body, headers)
        self.assertEqual(answer.status, status, (method, path, answer.body[:400]))
        got = answer.json()
        self.assertEqual((got['success'], got['error']), (False, word), got)
        self.assertIn(says, got['message'])
        return got

    def put(self, key, value, **more):
        return self.ok('POST', '/api/v1/put', dict({'key': key, 'value': value}, **more))['seq']

    def get(self, key, query=''):
        return self.ok('GET', '/api/v1/get/' + quote(key) + query)

    def wait_sealed(self, seq):
        wait_for(lambda: self.ok('GET', '/api/v1/head')['size'] > seq, 'entry %d sealed' % seq)

    def wait_job(self, path):
        end = time.monotonic() + 30
        while True:
            job = self.ok('GET', path)
            if job['state'] != 'running' or time.monotonic() > end:
                return job
            time.sleep(0.01)


def main():
    """Runs the tests of the calling file; its arguments are blockdb-server and blockdb-cli."""
    global PROGRAM, CLI
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    CLI = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
