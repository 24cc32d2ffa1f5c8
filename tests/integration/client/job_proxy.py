# SPDX-License-Identifier: Apache-2.0
"""A proxy before a real server that lets jobs seem to run for as long as a test wants."""
import http.client
import http.server
import json
import threading


class JobProxy:
    """All passes. While held, a job that has ended is shown as running, half done; while cut, who
    asks for a job finds the connection closed. `polls` counts requests for jobs. `busy` is a job
    that the next request to begin one is told to wait for."""

    def __init__(self, port):
        self.server_port = port
        self.held = self.cut = False
        self.polls = 0
        self.busy = None
        self.paths = []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *args):
                pass

            def handle_any(self):
                proxy.pass_on(self)

            do_GET = do_POST = do_DELETE = handle_any

        self.httpd = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.httpd.daemon_threads = True
        self.thread = threading.Thread(target=self.httpd.serve_forever)
        self.thread.start()
        self.url = 'http://127.0.0.1:%d' % self.httpd.server_port

    def close(self):
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()

    @staticmethod
    def is_poll(request):
        path = request.path.split('?')[0]
        return request.command == 'GET' and path.count('/') == 4 and path.split('/')[3] in (
            'verify', 'backup', 'compact', 'redact')

    def pass_on(self, request):
        body = request.rfile.read(int(request.headers.get('Content-Length') or 0))
        self.paths.append(request.command + ' ' + request.path)
        is_poll = self.is_poll(request)
        if is_poll:
            self.polls += 1
            if self.cut:
                request.close_connection = True
                return
        if self.busy and request.command == 'POST' and 'job=1' in request.path:
            content = json.dumps(dict({k: self.busy[k] for k in ('job', 'started')}, success=False,
                                      error='JobRunning', message='one runs')).encode()
            self.busy = None
            self.send(request, 409, [('Content-Type', 'application/json')], content)
            return
        server = http.client.HTTPConnection('127.0.0.1', self.server_port, timeout=30)
        server.request(request.command, request.path, body or None,
                       {k: v for k, v in request.headers.items() if k.lower() != 'host'})
        answer = server.getresponse()
        content = answer.read()
        server.close()
        if is_poll and self.held:
            job = json.loads(content)
            job.update(state='running', done=1, total=2)
            content = json.dumps({k: v for k, v in job.items()
                                  if k not in ('ended', 'report', 'outcome')}).encode()
        self.send(request, answer.status, answer.getheaders(), content)

    @staticmethod
    def send(request, status, headers, content):
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in ('content-length', 'connection', 'transfer-encoding'):
                request.send_header(name, value)
        request.send_header('Content-Length', str(len(content)))
        request.end_headers()
        request.wfile.write(content)
