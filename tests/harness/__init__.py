"""What the scripts that test Sluice from outside share: an instance as a child process, its HTTP API, Kafka's topics read with
foreign clients, payments to send, and a report that counts what held.
"""
