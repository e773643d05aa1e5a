"""The trading process: reads market data from NATS, runs the engine, sends signals; and the feeds that publish.

Imports `strategy_core` and `service_kit`, never the site. Inside: messaging, config < settings < reporting, halts,
standby < consumer < assembly < metrics < health < app < command_line; feeds stand apart.
"""
