"""The control protocol: what is written is read again, and nothing else is believed."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dx_py_test_runner.wire import frames

texts = st.binary(max_size=40).filter(lambda value: b"\0" not in value)
names = texts.filter(lambda value: value and b"=" not in value)

requests = st.builds(
    frames.Request,
    argv=st.lists(texts.map(os.fsdecode), max_size=6),
    env=st.dictionaries(names, texts, max_size=6),
    cwd=texts.map(os.fsdecode),
    umask=st.integers(0, 0o777),
    rlimits=st.lists(
        st.tuples(st.integers(0, 15), st.integers(-1, 1 << 40), st.integers(-1, 1 << 40)), max_size=4
    ),
    build=texts,
    socket_path=texts.map(os.fsdecode),
    want_daemon=st.booleans(),
    closed_fds=st.sets(st.integers(0, 2)).map(lambda fds: tuple(sorted(fds))),
)


@given(requests)
def test_a_request_survives_the_way(request):
    assert frames.decode_request(frames.encode_request(request)) == request


@given(requests, st.data())
def test_a_truncated_request_is_refused(request, data):
    payload = frames.encode_request(request)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(frames.ProtocolError):
        frames.decode_request(payload[:cut])


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read_but_never_crashes(payload):
    try:
        frames.decode_request(payload)
    except frames.ProtocolError:
        pass


def test_a_list_longer_than_the_payload_is_refused_before_anything_is_allocated():
    payload = bytearray(frames.encode_request(frames.Request(argv=[], env={}, cwd="/")))
    at = 2 + 2 + 4 + (4 + 1) + 4
    payload[at : at + 4] = (0xFFFFFFFF).to_bytes(4, "little")
    with pytest.raises(frames.ProtocolError, match="announces 4294967295"):
        frames.decode_request(bytes(payload))


def test_a_request_takes_its_descriptors_along():
    request = frames.Request(argv=["test", "-q"], env={b"A": b"1"}, cwd="/")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.send_frame(ours, frames.REQUEST, frames.encode_request(request), [0, 1, 2])
        received, fds = frames.receive_request(theirs)
    assert received == request
    assert len(fds) == 3
    for fd in fds:
        assert not os.get_inheritable(fd)
        os.close(fd)


def test_a_frame_over_its_bound_is_refused():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall((frames.REQUEST_LIMIT + 1).to_bytes(4, "little") + bytes([frames.REQUEST]))
        with pytest.raises(frames.ProtocolError):
            frames.receive_request(theirs)


def test_another_protocol_is_refused_by_its_number():
    payload = b"\x02\x00" + frames.encode_request(frames.Request(argv=[], env={}, cwd="/"))[2:]
    with pytest.raises(frames.ProtocolError, match="protocol 2"):
        frames.decode_request(payload)
