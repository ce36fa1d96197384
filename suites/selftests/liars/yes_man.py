"""Says that it has done whatever it is asked for."""

import honest

honest.serve(unknown=honest.answer)
