"""Messages to channels and telephones: an outbox that a worker empties, at least once each.

outbox.order(...)      a row, in the transaction of what is told
outbox.send(id)        one try: claimed, sent by its transport, and what came of it written down
slack, ms_teams, sms   transports: a message in, an HTTP request out, and a verdict on the answer
http                   the one way out: an address is looked up once, checked, and connected to as it was checked
"""
