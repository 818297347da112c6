"""The machine of `test_states.py`: processes, their time, the server, and what must hold."""
