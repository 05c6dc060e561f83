"""The faults, each a named case: real processes, real signals, a network that breaks.

== =============================================================== =====================================================
id what is done                                                    where
== =============================================================== =====================================================
1  a worker is frozen, handed a message, killed                    test_broker: test_f01
2  children and whole workers are killed at random                 test_worker: test_f02
3  a child is frozen beyond its lease, its job taken over; in the  test_worker: test_f03
   open transaction of an atomic job, too
4  a worker's parent is frozen                                     test_worker: test_f04
5  the broker is flushed                                           test_broker: test_f05
6  the broker is killed and comes back empty; clients are thrown   test_broker: test_f06
   out
7  the broker is frozen                                            test_broker: test_f07
8  connections are half-open                                       test_broker, test_rabbitmq, test_database: test_f08
9  the broker refuses, or is a black hole                          test_broker: test_f09
10 the broker has no memory left                                   test_broker: test_f10
11 RabbitMQ is frozen, published to, killed                        test_rabbitmq: test_f11
12 RabbitMQ closes connections, loses queues, ends consumers       test_rabbitmq: test_f12
13 workers are restarted in turn under load                        test_worker: test_f13
14 handlers crash, never end, return too much                      test_handlers: test_f14; errors, exits, SIGKILL and
                                                                   want of memory: tests/crash/test_handlers
15 PostgreSQL ends connections, crashes, is down, is frozen        test_database: test_f15
16 two beats; one is killed after its tick                         test_clock: test_f16. Missed ticks, and days on
                                                                   which clocks change, come with schedules' policies
17 a worker's clock is wrong                                       test_clock: test_f17
18 the disk is full; the ledger is locked                          test_storage: test_f18
== =============================================================== =====================================================

Times are scaled down: leases of 5 s, outages of seconds. Beside the faults, ``test_pgbouncer`` runs every process
behind a pool in transaction mode.
"""
