// Watches with the `eventsource` package and prints each event as a line of JSON. It reconnects by itself, with the id it
// saw last; nothing here helps it.
//
//   EVENTSOURCE=.../node_modules node event_source.js URL
const { EventSource } = require(`${process.env.EVENTSOURCE}/eventsource`);

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const source = new EventSource(process.argv[2]);
source.onopen = () => print({ event: "open" });
source.onerror = (error) => print({ event: "error", code: error.code ?? null });
for (const event of ["snapshot", "revision", "coalesced", "bookmark", "closing"]) {
  source.addEventListener(event, (message) => {
    print({ event, id: message.lastEventId, data: JSON.parse(message.data) });
  });
}
// Ends with the test that holds the other end.
process.stdin.on("end", () => process.exit(0)).resume();
