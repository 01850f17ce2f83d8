import pytest

from shoal_agent.runtime.failures import explain


@pytest.mark.parametrize(
    ("said", "program", "code", "message"),
    [
        # What crun 1.8 and runc 1.1 really say.
        ("executable file `nope` not found in $PATH: No such file or directory", "nope", 127, "image's PATH"),
        ("executable file `/bin/nope` not found in $PATH: No such file or directory", "/bin/nope", 127, "in the image"),
        ("open executable: Permission denied", "/etc/passwd", 126, "permission denied"),
        ("open executable: Operation not permitted", "/etc", 126, "permission denied"),
        # crun 1.21
        ("executable file `/bin/nope` not found: No such file or directory", "/bin/nope", 127, "in the image"),
        ("cannot find `` in $PATH: No such file or directory", "", 127, "image's PATH"),
        (
            "the path `/etc/passwd` exists but it is not executable: Operation not permitted",
            "/etc/passwd",
            126,
            "permission denied",
        ),
        ("the path `/etc` is not a regular file: Operation not permitted", "/etc", 126, "permission denied"),
        (
            "chdir `/nope`: No such file or directory",
            "pwd",
            125,
            'working directory "/nope" can\'t be entered: no such file or directory',
        ),
        (
            'chdir to cwd ("/bin/sh") set in config.json failed: not a directory',
            "pwd",
            125,
            'working directory "/bin/sh" can\'t be entered: not a directory',
        ),
        ("the path `/` is not a regular file: Operation not permitted", "", 127, "image's PATH"),
        ("exec container process `/bin/junk`: Exec format error", "junk", 126, "exec format error"),
        (
            "exec container process (missing dynamic library?) `/bin/x`: No such file or directory",
            "/bin/x",
            127,
            "interpreter or library",
        ),
        (
            'runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH',
            "nope",
            127,
            "image's PATH",
        ),
        (
            'runc create failed: unable to start container process: exec: "/bin/nope": stat /bin/nope: no such file or '
            "directory",
            "/bin/nope",
            127,
            "in the image",
        ),
        (
            'runc create failed: unable to start container process: exec: "/etc": permission denied',
            "/etc",
            126,
            "permission denied",
        ),
        # runc 1.1.15
        ('exec failed: unable to start container process: exec: "/etc": is a directory', "/etc", 126, "denied"),
        ("exec /bin/junk: exec format error", "junk", 126, "exec format error"),
        ("make `/x` private: Permission denied", "sh", 125, "crun could not start it: make `/x` private"),
        ("", "sh", 125, "it gave no reason"),
    ],
)
def test_what_runtimes_say_becomes_dockers_exit_codes(said: str, program: str, code: int, message: str) -> None:
    for text in (said, f'{{"msg":{said!r},"level":"error"}}'.replace("'", '"') if '"' not in said else said):
        failure = explain("crun", text, program)
        assert failure.code == code
        assert message in failure.message
        assert "\n" not in failure.message


def test_the_last_error_of_a_log_counts() -> None:
    log = '{"level":"warning","msg":"x"}\n{"level":"error","msg":"first"}\n{"level":"error","msg":"second\\nline"}\n'
    assert explain("runc", log, "sh").message == "runc could not start it: second line"
