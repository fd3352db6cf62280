"""
The contract: what is known of the exchange as data, asked of the simulated and of the real one.

``facts.yaml`` holds requests, expected shapes and codes. The simulated exchange answers them in
every test run. With a view-only key of your own, ``python -m tests.contract --key-file F`` asks
the real one - reads and previews alone - and prints what differs.
"""
