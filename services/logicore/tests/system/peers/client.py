"""A client as other teams write one: generated from proto/ by grpcio-tools, with nothing of LogiCore's own code.

Arguments: address of the gateway, folder of the .proto files, empty folder for what is generated. Prints what it saw as JSON.
"""

import json
import pathlib
import sys

import grpc
import grpc_tools
from grpc_tools import protoc

address, protos, generated = sys.argv[1:]

# The files that callers need; the internal ones beside them are of no use to them.
FILES = [
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "logicore/auth/v1/auth.proto",
    "logicore/policy/v1/policy.proto",
    "logicore/user/v1/user.proto",
]
well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
code = protoc.main(
    ["protoc", f"-I{protos}", f"-I{well_known}", f"--python_out={generated}", f"--grpc_python_out={generated}", *FILES]
)
if code:
    sys.exit(f"protoc: {code}")
sys.path.insert(0, generated)

from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from logicore.auth.v1 import auth_pb2, auth_pb2_grpc  # noqa: E402
from logicore.user.v1 import user_pb2, user_pb2_grpc  # noqa: E402


def bearer(token):
    return [("authorization", f"Bearer {token}")]


def failure(call, *args, **kwargs):
    """The code of a call that fails, and what its details say."""
    try:
        call(*args, **kwargs)
    except grpc.RpcError as error:
        seen = {"code": error.code().name}
        trailers = dict(error.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        for detail in status.details:
            info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                seen |= {"reason": info.reason, "metadata": dict(info.metadata)}
            elif detail.Unpack(bad):
                seen["fields"] = [violation.field for violation in bad.field_violations]
        return seen
    return {"code": "OK"}


def sign_in(auth, seen):
    credentials = auth_pb2.LoginRequest(email="demo@example.com", password="demo123")
    login = auth.Login(credentials, timeout=10)
    refreshed = auth.Refresh(auth_pb2.RefreshRequest(refresh_token=login.refresh_token), timeout=10)
    me = auth.GetMe(auth_pb2.GetMeRequest(), metadata=bearer(refreshed.access_token), timeout=10)
    seen["me"] = {"email": me.account.email, "state": auth_pb2.AccountState.Name(me.account.state)}
    seen["rotated"] = refreshed.refresh_token != login.refresh_token
    seen["without_token"] = failure(auth.GetMe, auth_pb2.GetMeRequest())
    seen["with_a_bad_token"] = failure(auth.GetMe, auth_pb2.GetMeRequest(), metadata=bearer("x.y.z"))
    # A login hashes for tens of milliseconds. Client and server watch the time; either may be the first to say so.
    seen["in_no_time"] = failure(auth.Login, credentials, timeout=0.005)["code"]
    seen["in_time_again"] = failure(auth.GetMe, auth_pb2.GetMeRequest(), metadata=bearer(login.access_token), timeout=10)
    return login.access_token


def make_users(auth, users, metadata, seen):
    for number in range(5):
        user = user_pb2.User(email=f"made-{number}@example.com", display_name=f"Made {number}", labels={"n": str(number)})
        made = users.CreateUser(user_pb2.CreateUserRequest(user=user), metadata=metadata, timeout=10)
    password = "a long enough password of mine"
    setting = auth_pb2.SetPasswordRequest(code=made.set_password_code, new_password=password)
    auth.SetPassword(setting, timeout=10)
    seen["code_again"] = failure(auth.SetPassword, setting)
    login = auth.Login(auth_pb2.LoginRequest(email=made.user.email, password=password), timeout=10)
    seen["made"] = [login.account.id == made.user.id, login.account.email]
    own = users.GetUser(user_pb2.GetUserRequest(), metadata=bearer(login.access_token), timeout=10)
    seen["profile"] = [own.user.display_name, dict(own.user.labels)]
    bad = user_pb2.CreateUserRequest(user=user_pb2.User(email="no address", locale="?"))
    seen["bad_user"] = failure(users.CreateUser, bad, metadata=metadata)
    twice = user_pb2.CreateUserRequest(user=user_pb2.User(email=made.user.email))
    seen["second_of_an_email"] = failure(users.CreateUser, twice, metadata=metadata)


def list_users(users, metadata, seen):
    request = user_pb2.ListUsersRequest(page_size=2, order_by="display_name", filter='display_name:"Made"')
    sizes, names = [], []
    while True:
        page = users.ListUsers(request, metadata=metadata, timeout=10)
        sizes.append(len(page.users))
        names += [user.display_name for user in page.users]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    seen["pages"] = {"sizes": sizes, "names": names}
    request.filter = ""
    seen["page_of_another_list"] = failure(users.ListUsers, request, metadata=metadata)


def main():
    seen = {}
    with grpc.insecure_channel(address) as channel:
        auth = auth_pb2_grpc.AuthServiceStub(channel)
        users = user_pb2_grpc.UserServiceStub(channel)
        demo = sign_in(auth, seen)
        admin = auth.Login(auth_pb2.LoginRequest(email="admin@example.com", password="admin123"), timeout=10)
        seen["not_allowed"] = failure(users.ListUsers, user_pb2.ListUsersRequest(), metadata=bearer(demo))
        make_users(auth, users, bearer(admin.access_token), seen)
        list_users(users, bearer(admin.access_token), seen)
    print(json.dumps(seen))


main()
