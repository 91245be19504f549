"""Shipments: an example of a team's own gRPC service behind LogiCore.

| module     | owns                                                         |
|------------|--------------------------------------------------------------|
| `api`      | the methods of `shipments.v1.ShipmentService`                |
| `caller`   | who calls, as the gateway says it                            |
| `problems` | what goes wrong, and how a client reads it (`google.rpc`)    |
| `store`    | the shipments, kept apart by tenant                          |
| `pages`    | page tokens                                                  |
| `server`   | health, reflection, TLS, log, a clean end                    |
"""
