"""Every audit event of CPython 3.11 to 3.15, and what each means for a footprint.

From the audit events tables of the documentation of these releases, and the events their sources raise without being
listed there. An event that is not here is one that cannot be accounted for.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class Meaning(enum.Enum):
    NOTHING = enum.auto()
    """Without input from outside the process, or announced by another event as well."""
    OPEN = enum.auto()
    STATUS = enum.auto()
    """Asks whether a file exists, or what it is."""
    LISTING = enum.auto()
    DATABASE = enum.auto()
    MADE = enum.auto()
    """Makes the file or folder that is its first argument."""
    CHANGED = enum.auto()
    """Uses the file that is its first argument, and changes or removes it."""
    COPIED = enum.auto()
    """Uses its first argument, a file, and makes its second."""
    LINKED = enum.auto()
    """Makes its second argument, from which its first is reached."""
    LIBRARY = enum.auto()
    """Loads the library that is its first argument, unless it is None: the process itself."""
    SIGNAL = enum.auto()
    THREAD = enum.auto()
    HOOK = enum.auto()
    """Changes who sees what the interpreter does: also done by the exact pass."""


_WITHOUT_INPUT: Final = (
    # Objects and code in the process; code that runs is in the footprint wherever it came from.
    *("array.__new__", "builtins.id", "code.__new__", "compile", "exec", "function.__new__", "import"),
    *("marshal.dumps", "marshal.load", "marshal.loads", "object.__delattr__", "object.__getattr__"),
    *("object.__setattr__", "pickle.find_class"),
    *("gc.get_objects", "gc.get_referents", "gc.get_referrers", "sys._current_exceptions", "sys._current_frames"),
    *("sys._getframe", "sys._getframemodulename", "sys.excepthook", "sys.unraisablehook"),
    *("sys.set_asyncgen_hook_finalizer", "sys.set_asyncgen_hook_firstiter", "sys.set_asyncgen_hooks_finalizer"),
    *("sys.set_asyncgen_hooks_firstiter", "time.sleep"),
    # The interpreter's start and end.
    *("cpython.PyConfig_Set", "cpython.PyInterpreterState_Clear", "cpython._PySys_ClearAuditHooks"),
    *("cpython.run_command", "cpython.run_file", "cpython.run_module"),
    # Memory that ctypes makes itself.
    *("ctypes.addressof", "ctypes.create_string_buffer", "ctypes.create_unicode_buffer", "ctypes.get_errno"),
    *("ctypes.get_last_error", "ctypes.set_errno", "ctypes.set_last_error"),
    # Of files that were opened, which is an event of its own.
    *("fcntl.fcntl", "fcntl.flock", "fcntl.lockf", "mmap.__new__", "os.lockf", "sqlite3.connect/handle"),
    # Only output, or settings of the process.
    *("os.chdir", "os.fchdir", "os.chmod", "os.chown", "os.putenv", "os.removexattr", "os.rmdir", "os.setxattr"),
    *("os.unsetenv", "os._clearenv", "os.utime", "resource.prlimit", "resource.setrlimit", "shutil.chown"),
    *("syslog.closelog", "syslog.openlog", "syslog.setlogmask", "syslog.syslog"),
    # Made of calls that have events of their own.
    *("glob.glob", "glob.glob/2", "os.fwalk", "os.walk", "pathlib.Path.glob", "pathlib.Path.rglob"),
    *("pathlib.Path.walk", "shutil.copyfile", "shutil.copymode", "shutil.copystat", "shutil.copytree"),
    *("shutil.make_archive", "shutil.move", "shutil.rmtree", "shutil.unpack_archive", "tempfile.mkdtemp"),
    *("tempfile.mkstemp", "pty.spawn", "subprocess.Popen/attributes"),
    *("ftplib.connect", "ftplib.sendcmd", "http.client.connect", "http.client.send", "imaplib.open", "imaplib.send"),
    *("nntplib.connect", "nntplib.putline", "poplib.connect", "poplib.putline", "smtplib.connect", "smtplib.send"),
    *("telnetlib.Telnet.open", "telnetlib.Telnet.write", "urllib.Request"),
    # A socket that reaches nobody yet; event loops make pairs of them.
    *("socket.__new__", "socket.gethostname"),
)

EVENTS: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(_WITHOUT_INPUT, Meaning.NOTHING),
    "open": Meaning.OPEN,
    "pytest_flame.status": Meaning.STATUS,
    "os.listdir": Meaning.LISTING,
    "os.scandir": Meaning.LISTING,
    "sqlite3.connect": Meaning.DATABASE,
    "os.mkdir": Meaning.MADE,
    "os.remove": Meaning.CHANGED,
    "os.truncate": Meaning.CHANGED,
    "os.link": Meaning.COPIED,
    "os.rename": Meaning.COPIED,
    "os.symlink": Meaning.LINKED,
    "ctypes.dlopen": Meaning.LIBRARY,
    "os.kill": Meaning.SIGNAL,
    "signal.pthread_kill": Meaning.NOTHING,
    "_thread.start_new_thread": Meaning.THREAD,
    "_thread.start_joinable_thread": Meaning.THREAD,
    "sys.setprofile": Meaning.HOOK,
    "sys.settrace": Meaning.HOOK,
    "sys.monitoring.register_callback": Meaning.HOOK,
}

CHILD: Final = "a child process"
NETWORK: Final = "the network"
FOREIGN: Final = "memory or functions reached through ctypes"
DEBUGGER: Final = "a debugger"
INTERPRETER: Final = "another interpreter in the process"
INPUT: Final = "what is typed in"
HOOKS: Final = "hooks that see what the interpreter does"
SYSTEM: Final = "the system's answer to a request"

UNACCOUNTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            *("_posixsubprocess.fork_exec", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
            *("os.startfile", "os.startfile/2", "os.system", "subprocess.Popen", "ensurepip.bootstrap"),
            *("webbrowser.open", "os.killpg"),
        ),
        CHILD,
    ),
    **dict.fromkeys(
        (
            *("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname"),
            *("socket.getnameinfo", "socket.getservbyname", "socket.getservbyport", "socket.sendmsg"),
            *("socket.sendto", "socket.sethostname"),
        ),
        NETWORK,
    ),
    **dict.fromkeys(
        (
            *("ctypes.PyObj_FromPtr", "ctypes.call_function", "ctypes.cdata", "ctypes.cdata/buffer"),
            *("ctypes.dlsym", "ctypes.dlsym/handle", "ctypes.memoryview_at", "ctypes.set_exception"),
            *("ctypes.seh_exception", "ctypes.string_at", "ctypes.wstring_at"),
        ),
        FOREIGN,
    ),
    **dict.fromkeys(
        (
            *("builtins.breakpoint", "cpython.remote_debugger_script", "pdb.Pdb", "pdb.set_trace"),
            "sys.remote_exec",
        ),
        DEBUGGER,
    ),
    "cpython.PyInterpreterState_New": INTERPRETER,
    **dict.fromkeys(
        (
            *("builtins.input", "builtins.input/result", "cpython.run_interactivehook", "cpython.run_startup"),
            "cpython.run_stdin",
        ),
        INPUT,
    ),
    # Their code runs unseen: the interpreter traces nothing in a hook.
    "sys.addaudithook": HOOKS,
    "setopencodehook": HOOKS,
    **dict.fromkeys(
        ("fcntl.ioctl", "os.getxattr", "os.listxattr", "sqlite3.enable_load_extension", "sqlite3.load_extension"),
        SYSTEM,
    ),
}
"""Event → what cannot be accounted for, in a user's words."""
