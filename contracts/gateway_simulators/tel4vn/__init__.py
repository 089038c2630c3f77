"""What the simulators of TEL4VN's products share: telephones, records, webhooks, and the server around them."""
