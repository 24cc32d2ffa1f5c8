#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the performance tuning guide: each of its fenced blocks (tests/guide/blocks) is executed,
parsed by the program it is for, or skipped with a reason.

    run_guide.py SOURCE_ROOT BUILD_ROOT [NUMBER ...]

It runs in network, mount and process namespaces of its own, where /etc, /var/lib, /var/log and
/usr/local/bin are folders of this run and the guide's addresses belong to the loopback device. So
scripts run as they are written, but for the number of operations; the machine is not touched.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

NODES = {'node1': '192.168.1.10', 'node2': '192.168.1.11', 'node3': '192.168.1.12'}
SERVER_URL = 'http://127.0.0.1:8080'
COMMAND_SECONDS = 240  # far more than any needs


class Failure(Exception):
    """A block does not work as the guide says."""


class Skip(Exception):
    """A block is not executed, and why."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def run(args, timeout=COMMAND_SECONDS, **options):
    """Runs a command and returns its output; a failure is a Failure."""
    done = subprocess.run(args, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **options)
    check(done.returncode == 0, f'{args} ended with {done.returncode}:\n{done.stdout[-2000:]}')
    return done.stdout


def need(program):
    if shutil.which(program) is None:
        raise Skip(f'{program} is not installed')


class Guide:
    """The guide's blocks and the place in which they run."""

    def __init__(self, source, build):
        self.blocks = os.path.join(source, 'tests/guide/blocks')
        self.source = source
        self.programs = os.path.join(build, 'bin')
        self.work = tempfile.mkdtemp(prefix='blockdb-guide-')
        self.server = None

    def text(self, name):
        with open(os.path.join(self.blocks, name), encoding='utf-8') as file:
            return file.read()

    # ---- The place ------------------------------------------------------------------------------

    def folder(self, name):
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        return path

    def enter(self):
        """Mounts what belongs to this run over what belongs to the machine."""
        run(['mount', '--make-rprivate', '/'])
        run(['cp', '-a', '/etc', self.work])
        run(['mount', '--bind', os.path.join(self.work, 'etc'), '/etc'])
        for inside, name in (('/var/lib', 'var-lib'), ('/var/log', 'var-log')):
            run(['mount', '--bind', self.folder(name), inside])
        run(['mount', '--bind', self.programs, '/usr/local/bin'])
        os.makedirs('/var/lib/blockdb')
        os.makedirs('/var/log/blockdb')
        os.makedirs('/etc/blockdb', exist_ok=True)
        run(['ip', 'link', 'set', 'lo', 'up'])
        with open('/etc/hosts', 'w', encoding='utf-8') as hosts:
            hosts.write('127.0.0.1 localhost\n')
            for name, address in NODES.items():
                run(['ip', 'address', 'add', f'{address}/32', 'dev', 'lo'])
                hosts.write(f'{address} {name}\n')
        os.environ['PATH'] = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
        os.environ['HOME'] = self.folder('home')
        os.chdir(self.folder('here'))

    def start_server(self):
        """Starts the server that the guide's commands talk to."""
        hosts = ', '.join(['127.0.0.1', *NODES.values()])
        with open('/etc/blockdb/blockdb.toml', 'w', encoding='utf-8') as file:
            file.write(f'''[database]
data_dir = "/var/lib/blockdb"
[server]
host = "{hosts}"
[security]
insecure = true
[logging]
file = "/var/log/blockdb/blockdb.log"
''')
        self.server = subprocess.Popen(['blockdb-server', '--config', '/etc/blockdb/blockdb.toml'])
        self.wait_for(SERVER_URL + '/health')

    def wait_for(self, url, process=None):
        process = process or self.server
        for _ in range(600):
            if process.poll() is not None:
                raise Failure(f'blockdb-server ended with {process.returncode}')
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise Failure(f'{url} never answered')

    def stop_server(self):
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(timeout=60)
        self.server = None

    def leave(self):
        try:
            self.stop_server()
        finally:
            for inside in ('/usr/local/bin', '/var/log', '/var/lib', '/etc'):
                subprocess.run(['umount', '-l', inside], check=False)
            os.chdir('/')
            shutil.rmtree(self.work, ignore_errors=True)

    def script(self, name, changes=()):
        """Writes a block as a script, with numbers of operations made smaller."""
        text = self.text(name)
        for old, new in changes:
            check(old in text, f'{name} has no "{old}"')
            text = text.replace(old, new)
        path = os.path.join(os.getcwd(), name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    # ---- What is not executed -------------------------------------------------------------------

    def block_01(self, name):
        """A list of hardware."""
        raise Skip('a list of hardware, not commands')

    def block_02(self, name):
        """Lines of fstab are parsed; the writes to /sys would change the machine."""
        lines = [line.split() for line in self.text(name).splitlines() if line.startswith('/dev/')]
        check(len(lines) == 2 and all(len(line) == 6 for line in lines), 'two lines of six fields')
        raise Skip('needs a disk to spare, and barrier=0 takes the meaning from every sync')

    def block_03(self, name):
        """A plan of memory."""
        raise Skip('a plan of memory, not commands')

    def sysctl_file(self, name):
        """Runs the part that writes sysctl.conf, and looks whether the kernel knows the keys."""
        run(['bash', '-e', '-c', self.text(name).split('\nsysctl -p')[0]])
        with open('/etc/sysctl.conf', encoding='utf-8') as file:
            keys = re.findall(r'^([a-z_.0-9]+) = ', file.read(), re.M)
        unknown = [key for key in keys if not os.path.exists('/proc/sys/' + key.replace('.', '/'))]
        check(keys, 'no keys were written')
        return keys, unknown

    def block_04(self, name):
        """Memory: all keys are known to the kernel."""
        _, unknown = self.sysctl_file(name)
        check(not unknown, f'unknown to this kernel: {unknown}')
        return 'written; sysctl -p is left out, it would change the whole machine'

    def block_05(self, name):
        """The processors' governor and idle states."""
        run(['bash', '-n', self.script(name)])
        raise Skip('changes the machine, and `> cpu*/...` is an ambiguous redirect with two CPUs')

    def block_06(self, name):
        """Network: keys of a namespace may be missing in it, the others must be known."""
        keys, unknown = self.sysctl_file(name)
        outside = [key for key in unknown if not key.startswith('net.core.')]
        check(not outside, f'unknown to this kernel: {outside}')
        return f'{len(keys)} keys; {len(unknown)} belong to the first namespace'

    def block_07(self, name):
        """Schedulers of disks."""
        run(['bash', '-n', self.script(name)])
        raise Skip('changes the machine; deadline is called mq-deadline today and cfq is gone')

    def block_08(self, name):
        """Limits: the drop-in fits the unit; nothing but systemctl is left out."""
        run(['bash', '-e', '-c', self.text(name).replace('systemctl daemon-reload', '')])
        with open('/etc/security/limits.conf', encoding='utf-8') as file:
            check('blockdb hard nofile 65536' in file.read(), 'limits.conf was not written')
        need('systemd-analyze')
        unit = os.path.join(os.path.dirname(self.programs), 'packaging/blockdb.service')
        shutil.copy(unit, '/etc/systemd/system/blockdb.service')
        told = run(['systemd-analyze', 'cat-config', 'systemd/system/blockdb.service'])
        check('LimitNPROC=32768' in told, f'the drop-in does not count: {told[-300:]}')
        return 'systemctl daemon-reload is left out, no systemd runs here'

    # ---- Configuration --------------------------------------------------------------------------

    def toml(self, text):
        """Has the server read a snippet, and compares every value in it with what is in force."""
        path = os.path.join(os.getcwd(), 'snippet.toml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        shown = run(['blockdb-server', '--config', path, '--print-config'])
        section = None
        for line in text.splitlines():
            if re.match(r'^\[\w+\]$', line):
                section = line
            value = re.match(r'^(\w+) = ("[^"]*"|\S+)', line)
            if value:
                tables = shown.split('\n[')
                table = [t for t in tables if ('[' + t.lstrip('[')).startswith(section)]
                check(table, f'--print-config shows no {section}')
                check(f'\n{value.group(1)} = {value.group(2)}\n' in table[0] + '\n',
                      f'{section} {value.group(0)} is not in force')

    def block_toml(self, name):
        """A snippet of configuration."""
        self.toml(self.text(name))

    def block_17(self, name):
        """Commands and configuration in one block."""
        self.toml('[database]' + self.text(name).split('[database]')[1])
        return 'the configuration; mkdir and mount need a disk to spare'

    def block_18(self, name):
        """RAID."""
        run(['bash', '-n', self.script(name)])
        raise Skip('needs four disks to spare')

    def block_19(self, name):
        """Schedulers of disks, again."""
        run(['bash', '-n', self.script(name)])
        raise Skip('changes the machine; nomerges is not NCQ')

    # ---- Operation ------------------------------------------------------------------------------

    def block_21(self, name):
        """The cleanup, against the server: nothing that counts is lost."""
        run(['blockdb-cli', 'put', 'guide:cleanup', 'kept'])
        old = '/var/lib/blockdb/wal/999.wal.old'
        rotated = '/var/log/blockdb/blockdb.log.1'
        for path in (old, rotated):
            with open(path, 'w', encoding='utf-8'):
                pass
            os.utime(path, (0, 0))
        for number in range(11):
            with open(f'/var/lib/blockdb/x{number}.sst', 'w', encoding='utf-8'):
                pass
        try:
            run(['bash', self.script(name)])
        finally:
            for number in range(11):
                os.unlink(f'/var/lib/blockdb/x{number}.sst')
        check(not os.path.exists(old) and not os.path.exists(rotated), 'old files are still there')
        check(run(['blockdb-cli', 'get', 'guide:cleanup']) == 'kept', 'a value is gone')
        run(['blockdb-cli', 'verify'])
        return 'with eleven more files named *.sst, so that it compacts'

    def block_24(self, name):
        """HAProxy takes the backend, and requests go through it."""
        need('haproxy')
        path = os.path.join(os.getcwd(), 'haproxy.cfg')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('defaults\n    mode http\n    timeout client 30s\n'
                       'frontend f\n    bind 127.0.0.1:8000\n    default_backend blockdb_cluster\n'
                       + self.text(name))
        run(['haproxy', '-c', '-f', path])
        proxy = subprocess.Popen(['haproxy', '-f', path, '-db'], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            self.wait_for('http://127.0.0.1:8000/health', proxy)
            for number in range(9):
                run(['blockdb-cli', '--url', 'http://127.0.0.1:8000', 'put', f'guide:h{number}',
                     'v'])
            check(run(['blockdb-cli', 'get', 'guide:h8']) == 'v', 'a write did not arrive')
        finally:
            proxy.terminate()
            proxy.wait(timeout=60)
        return 'three addresses of one server'

    def block_rust(self, name):
        """The client's calls; the same in C are compiled and run as examples."""
        words = {'25': 'blockdb_client_options', '26': 'batch', '27': None, '28': 'chunks'}
        word = words[name[:2]]
        if word is not None:
            with open(os.path.join(self.source, 'include/blockdb/client.h'),
                      encoding='utf-8') as file:
                check(word in file.read(), f'client.h has no {word}')
        raise Skip('Rust; the client library is in C, its examples are tests of their own')

    def block_29(self, name):
        """What to watch, each command once."""
        pid = run(['pgrep', 'blockdb-server']).split()
        check(pid == [str(self.server.pid)], f'pgrep blockdb-server tells {pid}')
        told = []
        for args in (['iostat', '-x', '1', '1'], ['sar', '-n', 'DEV', '1', '1'], ['free', '-h'],
                     ['top', '-b', '-n', '1', '-p', pid[0]]):
            if shutil.which(args[0]) is None:
                told.append(f'{args[0]} is not installed')
            else:
                run(args)
        page = run(['curl', '-s', 'http://localhost:8080/metrics'])
        check('blockdb_puts_total' in page, 'no metrics')
        need('promtool')
        run(['promtool', 'check', 'metrics'], input=page)
        check(run(['blockdb-cli', 'stats']).strip(), 'no statistics')
        return '; '.join(told)

    def block_30(self, name):
        """The monitor, for two of its lines."""
        log = '/var/log/blockdb-performance.log'
        with open(log, 'a+', encoding='utf-8') as file:
            monitor = subprocess.Popen(
                ['bash', self.script(name, [('INTERVAL=5', 'INTERVAL=1')])])
            try:
                lines = self.lines_of(file, 2)
            finally:
                monitor.terminate()
                monitor.wait(timeout=COMMAND_SECONDS)
        check(all(line.count(',') >= 6 for line in lines), f'it wrote {lines}')

    @staticmethod
    def lines_of(file, count):
        """Waits until the file has so many whole lines, and returns them."""
        for _ in range(COMMAND_SECONDS * 10):
            file.seek(0)
            lines = [line for line in file.read().splitlines(keepends=True) if line[-1] == '\n']
            if len(lines) >= count:
                return lines[:count]
            time.sleep(0.1)
        raise Failure(f'{file.name} has only {lines}')

    def block_31(self, name):
        """perf records the server; the flame graph needs a download."""
        need('perf')
        data = os.path.join(os.getcwd(), 'perf.data')
        trial = subprocess.run(['perf', 'record', '-g', '-o', data, '--', 'true'],
                               capture_output=True, text=True, check=False)
        if trial.returncode != 0:
            raise Skip(f'the kernel gives no counters: {" ".join(trial.stderr.split())[:200]}')
        run(['perf', 'record', '-g', '-o', data, '-p', str(self.server.pid), '--', 'sleep', '1'])
        run(['perf', 'report', '-i', data, '--stdio'])
        return 'for one second; FlameGraph would have to be downloaded'

    def profiled(self, args, environment=None):
        """Runs a server of its own under a profiler, puts and gets, and ends it by SIGINT."""
        port = 18080
        with open('test.toml', 'w', encoding='utf-8') as file:
            file.write('[database]\ndata_dir = "profiled"\nmemtable_size_limit = "8MiB"\n'
                       'block_cache_size = "8MiB"\nindex_cache_size = "8MiB"\n'
                       'wal_file_size = "1MiB"\n'
                       f'[server]\nport = {port}\nresp_port = 0\n')
        process = subprocess.Popen([*args, 'blockdb-server', '--config', 'test.toml'],
                                   env={**os.environ, **(environment or {})},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f'http://127.0.0.1:{port}'
            self.wait_for(url + '/health', process)
            run(['blockdb-cli', '--url', url, 'put', 'k', 'v'])
            check(run(['blockdb-cli', '--url', url, 'get', 'k']) == 'v', 'the value is not there')
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=COMMAND_SECONDS)
        check(code == 0, f'it ended with {code}')

    def block_32(self, name):
        """massif and jemalloc."""
        need('valgrind')
        self.profiled(['valgrind', '--tool=massif', '--pages-as-heap=yes',
                       '--massif-out-file=massif.out'])
        check(os.path.getsize('massif.out') > 1000, 'massif wrote nothing')
        jemalloc = '/usr/lib/x86_64-linux-gnu/libjemalloc.so.2'
        if not os.path.exists(jemalloc):
            raise Skip('massif runs; libjemalloc2 is not installed')
        self.profiled([], {'LD_PRELOAD': jemalloc,
                           'MALLOC_CONF': 'prof:true,prof_active:true,prof_final:true,'
                                          'prof_prefix:jeprof'})
        check(any(file.startswith('jeprof') for file in os.listdir('.')), 'jemalloc wrote nothing')
        return 'prof_final is added: without it jemalloc writes no file'

    # ---- Load -----------------------------------------------------------------------------------

    def throughput(self, output, least):
        found = re.search(r'Throughput: ([0-9.]+) ops/sec', output)
        check(found is not None, f'no throughput in:\n{output}')
        check(float(found.group(1)) > 0, f'{found.group(0)}')
        return f'{found.group(1)} operations a second (the guide asks for {least})'

    def block_33(self, name):
        """The writers' benchmark, with fewer operations."""
        told = self.throughput(run(['bash', self.script(name, [('OPERATIONS=10000',
                                                                'OPERATIONS=500')])]), 200)
        for thread in (1, 10):
            value = run(['blockdb-cli', 'get', f'thread_{thread}_key_50'])
            check(len(value) == 2048, f'a value has {len(value)} bytes')
        return told

    def block_34(self, name):
        """The readers' benchmark, twice, because it must be possible to run it again."""
        script = self.script(name, [('OPERATIONS=10000', 'OPERATIONS=200')])
        run(['bash', script])
        return self.throughput(run(['bash', script]), 200)

    def block_35(self, name):
        """ab and wrk with the files of bench/guide."""
        need('ab')
        need('wrk')
        for file in ('post_data.json', 'post_script.lua'):
            shutil.copy(os.path.join(self.source, 'bench/guide', file), file)
        script = self.script(name, [('-d30s', '-d2s'), ('-n 10000', '-n 2000')])
        told = run(['bash', '-e', script])
        check(re.search(r'Failed requests:\s+0\n', told), f'ab counts failures:\n{told}')
        check('Non-2xx' not in told, f'not all requests succeeded:\n{told}')
        check('Socket errors' not in told, f'wrk counts errors:\n{told}')
        return ', '.join(re.findall(r'Requests(?: per second|/sec):\s+([0-9.]+)', told)) + \
            ' requests a second'

    def block_36(self, name):
        """The distributed benchmark: three addresses of one server."""
        need('jq')
        told = run(['bash', self.script(name, [('OPERATIONS=30000', 'OPERATIONS=600')])])
        check(told.count('"Leader"') == 3, f'no states in:\n{told}')
        found = run(['blockdb-cli', 'get', 'distributed_key_node3:8080_200'])
        check(found == 'distributed_value_200', f'{found} is not the value')
        return self.throughput(told, 150)

    def action(self, name):
        if name.endswith('.toml'):
            return self.block_toml
        if name.endswith('.rs'):
            return self.block_rust
        return getattr(self, 'block_' + name[:2])


def inside(source, build, numbers):
    """Runs the blocks; the exit code."""
    guide = Guide(source, build)
    names = sorted(name for name in os.listdir(guide.blocks)
                   if not numbers or name[:2] in numbers)
    failed = 0
    try:
        guide.enter()
        guide.start_server()
        for name in names:
            try:
                print(f'ok    {name} {guide.action(name)(name) or ""}'.rstrip())
            except Skip as reason:
                print(f'skip  {name}: {reason}')
            except (Failure, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print(f'FAIL  {name}: {error}')
            sys.stdout.flush()
    finally:
        guide.leave()
    return 1 if failed else 0


def main():
    if len(sys.argv) >= 2 and sys.argv[1] == '--inside':
        return inside(sys.argv[2], sys.argv[3], sys.argv[4:])
    source, build = (os.path.abspath(path) for path in sys.argv[1:3])
    if os.geteuid() != 0:
        print('skip: namespaces with mounts need root')
        return 77
    separate = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    trial = subprocess.run([*separate, 'true'], capture_output=True, text=True, check=False)
    if trial.returncode != 0:
        print(f'skip: this machine gives no namespaces: {trial.stderr.strip()}')
        return 77
    return subprocess.call([*separate, sys.executable, os.path.abspath(__file__), '--inside',
                            source, build, *sys.argv[3:]])


if __name__ == '__main__':
    sys.exit(main())
