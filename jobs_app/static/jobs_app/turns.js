// One request at a time, and one more after it if something came meanwhile. Each needs a source element of its own: htmx
// queues the requests of one element, and says that a queued one is done.
export function oneAtATime(work) {
  let running = false;
  let again = false;
  return async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      running = false;
    }
  };
}
