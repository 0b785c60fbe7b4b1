# Asks and watches with grpcio-health-checking, and prints what it hears, a line each: watch.py ADDR SERVICE
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def say(*words):
    print(*words, flush=True)


def name(response):
    return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)


def main(addr, service):
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(addr))
    request = health_pb2.HealthCheckRequest
    say("check the server:", name(stub.Check(request(), timeout=10)))
    try:
        say(f"check {service}:", name(stub.Check(request(service=service), timeout=10)))
    except grpc.RpcError as error:
        say(f"check {service}:", error.code().name)
    listed = stub.List(health_pb2.HealthListRequest(), timeout=10).statuses
    assert sorted(listed) == ["", "liveness", "readiness", "startup", "system"], listed
    watch = stub.Watch(request(service=service))
    try:
        for response in watch:
            say("watch:", name(response))
    except grpc.RpcError:
        pass
    say("end:", watch.code().name)


main(*sys.argv[1:])
