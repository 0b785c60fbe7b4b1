"""Calls an aggregator over TLS with Python's gRPC, as whoever CERT and KEY or TOKEN_FILE say.

    identity.py ADDR call METHOD HEX    one call with these bytes; prints OK, or the code and what was said
    identity.py ADDR watch NAME         follows NAME by grpc.health.v1; prints each status, then how it ended

CA is the authority of the server; without it nothing is encrypted.
"""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def read(variable):
    with open(os.environ[variable], "rb") as file:
        return file.read()


def channel(addr):
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.enable_retries", 0)]
    if "CA" not in os.environ:
        return grpc.insecure_channel(addr, options)
    pair = {"private_key": read("KEY"), "certificate_chain": read("CERT")} if "CERT" in os.environ else {}
    credentials = grpc.ssl_channel_credentials(root_certificates=read("CA"), **pair)
    return grpc.secure_channel(addr, credentials, options)


def metadata():
    if "TOKEN_FILE" not in os.environ:
        return ()
    return (("authorization", "Bearer " + read("TOKEN_FILE").decode().strip()),)


def told(error):
    return f"{error.code().name}: {error.details()}"


def call(channel, method, request):
    ask = channel.unary_unary(f"/ward.health.v1.HealthService/{method}")
    try:
        ask(bytes.fromhex(request), metadata=metadata(), timeout=20)
        print("OK", flush=True)
    except grpc.RpcError as error:
        print(told(error), flush=True)


def watch(channel, name):
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        for answer in stub.Watch(health_pb2.HealthCheckRequest(service=name), metadata=metadata()):
            status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            print(f"watch: {status}", flush=True)
        print("end: OK", flush=True)
    except grpc.RpcError as error:
        print(f"end: {told(error)}", flush=True)


address, what, *rest = sys.argv[1:]
with channel(address) as opened:
    {"call": call, "watch": watch}[what](opened, *rest)
