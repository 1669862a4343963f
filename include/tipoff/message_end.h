/* Include after a .def: takes back what message_struct.h or message_table.h defined. No guard: used many times. */
#undef MSG
#undef U64
#undef I64
#undef F64
#undef BOOL
#undef TIME
#undef DATE
#undef STR
#undef BYTES
#undef MAP
#undef LIST
#undef END
#undef TIP_MESSAGE_FIELD
