"""Files are opened without waiting; anything that is not a regular file is refused, even if it replaces a file."""

import logging
import os
import socket
import stat
import threading

import pytest

from starchart.files.regular_file import is_file_or_warn, open_regular_file, read_regular_file, what_is_there
from tests.hanging import needs_pipes, no_hang, put_pipe


def refusal(path, **options):
    """Return why a file is not opened; "" where it is."""
    try:
        with no_hang(), open_regular_file(path, **options):
            return ""
    except OSError as error:
        return error.strerror


@pytest.fixture
def short(tmp_path, monkeypatch):
    """Name a socket by a short path: the system has a limit of about 100 bytes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"ab\r\ncd")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link"):
        with open_regular_file(tmp_path / name) as file:
            assert (file.read(3), file.tell(), file.read()) == (b"ab\r", 3, b"\ncd")
        assert read_regular_file(str(tmp_path / name)) == b"ab\r\ncd"
        assert what_is_there(tmp_path / name) == ""


def test_a_file_is_not_inherited(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with open_regular_file(tmp_path / "a") as file:
        assert not os.get_inheritable(file.fileno())


@needs_pipes
def test_what_is_no_regular_file(short):
    put_pipe(short / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for path, kind in ((short, "folder"), ("pipe", "pipe"), ("socket", "socket"), (os.devnull, "device")):
            fault = f"it is a {kind}, not a regular file"
            assert refusal(path) == what_is_there(path) == fault
            assert refusal(path, or_pipe=True) == ("" if path == "pipe" else fault)


def test_what_is_not_there(tmp_path):
    (tmp_path / "link").symlink_to("blobs/0\n1")
    link = r"it is a link to 'blobs/0\n1', where there is no file"
    for path, fault in (("none", "there is no such file"), ("a\0b", "there is no such file"), ("link", link)):
        with pytest.raises(FileNotFoundError) as caught:
            open_regular_file(tmp_path / path)
        assert caught.value.strerror == fault
    assert [what_is_there(tmp_path / name) for name in ("none", "a\0b", "link")] == ["", "", link]
    assert refusal(tmp_path / ("x" * 5000)) == "File name too long"


@needs_pipes
def test_a_pipe_that_comes_between_the_look_and_the_opening(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    look = os.stat

    def replaced(path, **options):
        status = look(path, **options)
        if stat.S_ISREG(status.st_mode):
            put_pipe(tmp_path / "a")
        return status

    monkeypatch.setattr(os, "stat", replaced)
    before = len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0
    assert refusal(tmp_path / "a") == "it is a pipe, not a regular file"
    assert before == (len(os.listdir("/dev/fd")) if before else 0)  # its descriptor is closed


@needs_pipes
def test_the_other_end_of_a_pipe_is_left_alone(tmp_path):
    # Opening it, even without waiting, would let go the process that waits for a reader, and break its pipe.
    put_pipe(tmp_path / "pipe")
    opened = []
    writer = threading.Thread(target=lambda: opened.append(os.open(tmp_path / "pipe", os.O_WRONLY)), daemon=True)
    writer.start()
    assert refusal(tmp_path / "pipe") == "it is a pipe, not a regular file"
    assert opened == []
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer.join()
    for descriptor in (reader, *opened):
        os.close(descriptor)


@needs_pipes
def test_the_bytes_of_a_pipe_are_waited_for(tmp_path):
    pipe = put_pipe(tmp_path / "pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # so that the writer need not wait
    writer = os.open(pipe, os.O_WRONLY)
    os.close(reader)
    with no_hang(), open_regular_file(pipe, or_pipe=True) as file:
        sender = threading.Timer(0.2, lambda: (os.write(writer, b"late"), os.close(writer)))
        sender.start()
        assert file.read() == b"late"
        sender.join()


@needs_pipes
def test_a_pipe_without_a_writer_is_empty(tmp_path):
    with no_hang(), open_regular_file(put_pipe(tmp_path / "pipe"), or_pipe=True) as file:
        assert file.read() == b""


@needs_pipes
def test_what_is_ignored_is_told_once(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    put_pipe(tmp_path / "pipe")
    with caplog.at_level(logging.WARNING, "starchart"):
        for _ in range(2):
            assert [is_file_or_warn(tmp_path / name) for name in ("file", "pipe", "none")] == [True, False, False]
    assert caplog.messages == [f"{tmp_path / 'pipe'}: is ignored: it is a pipe, not a regular file"]
