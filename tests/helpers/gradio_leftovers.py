"""What Gradio leaves unclosed: event loops, with their sockets, of which the last is the thread's current one."""

import asyncio
import gc


def collect() -> None:
    """Have them collected now, not in whichever test comes later."""
    asyncio.set_event_loop(None)
    gc.collect()
