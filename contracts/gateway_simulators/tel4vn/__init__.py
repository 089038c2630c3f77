"""The parts that the simulators of both TEL4VN products share: telephones, records, webhooks, and the server."""
