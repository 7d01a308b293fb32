/* SPDX-License-Identifier: MIT */
/*
 * How responses are matched to requests: each request has a transaction id, one more than the last, and the
 * response repeats it. A frame that is received is
 *
 *     the response   its id is that of the current request; unit, function and length must then be right
 *     late           its id was sent earlier; the frame is dropped, and the next one is received
 *     invalid        anything else; the connection is closed, because the rest of the stream is unusable
 *
 * Ids have 16 bits. When a request got no response, its id must not be used again on this connection, because
 * a late response could be taken for that of the new request. So the connection ends after 65,535 more
 * requests (ids_left).
 *
 * A timeout may expire in the middle of a frame. No byte is lost: ptk keeps the unread bytes of the receive
 * for the next one, and has_header records that a header has been received and its body has not.
 */
#include "modbus/modbus_client.h"

#include "modbus/deadline.h"

#define IDS           65536u
#define IDS_UNLIMITED UINT32_MAX

const char *modbus_result_text(modbus_result_t result) {
    if (result.err == PTK_ERR_NETWORK) {
        return "a network failure, or a response that does not fit the request";
    }
    return result.err ? ptk_err_text(result.err) : modbus_exception_text(result.exception);
}

ptk_err modbus_client_connect(modbus_client_t *client, const ptk_addr_t *server, uint32_t timeout_ms) {
    *client = (modbus_client_t) {.timeout_ms = timeout_ms, .ids_left = IDS_UNLIMITED};
    client->sock = ptk_sock_open(NULL, server->storage.ss_family, SOCK_STREAM, 0);
    if (!client->sock) {
        return ptk_get_err();
    }
    ptk_err err = ptk_sock_connect(client->sock, ptk_addr_sockaddr(server), server->length, timeout_ms);
    if (err) {
        modbus_client_close(client);
    }
    return err;
}

void modbus_client_close(modbus_client_t *client) {
    ptk_sock_close(client->sock);
    client->sock = NULL;
}

/* Gives the request the next id. False: none is left. */
static bool take_id(modbus_client_t *client) {
    if (client->ids_left == 0) {
        return false;
    }
    if (client->ids_left != IDS_UNLIMITED) {
        client->ids_left--;
    }
    if (client->ids_sent < IDS) {
        client->ids_sent++;
    }
    client->transaction++;
    return true;
}

static ptk_err send_request(modbus_client_t *client, uint8_t unit, const modbus_request_t *request,
                            uint64_t deadline_ns) {
    size_t pdu_bytes = modbus_request_encode(request, client->request + MODBUS_HEADER_BYTES);
    modbus_header_t header = {client->transaction, (uint16_t) pdu_bytes, unit};
    modbus_header_encode(&header, client->request);
    return ptk_sock_send(client->sock, client->request, MODBUS_HEADER_BYTES + pdu_bytes,
                         deadline_left_ms(deadline_ns));
}

static ptk_err receive_frame(modbus_client_t *client, uint64_t deadline_ns, modbus_header_t *header_out) {
    ptk_err err = PTK_OK;
    if (!client->has_header) {
        err = ptk_sock_recv(client->sock, client->reply, MODBUS_HEADER_BYTES, deadline_left_ms(deadline_ns));
    }
    if (err) {
        return err;
    }
    client->has_header = true;
    if (!modbus_header_decode(client->reply, header_out)) {
        return PTK_ERR_NETWORK;
    }
    err = ptk_sock_recv(client->sock, client->reply + MODBUS_HEADER_BYTES, header_out->pdu_bytes,
                        deadline_left_ms(deadline_ns));
    if (!err) {
        client->has_header = false;
    }
    return err;
}

/* Receives frames until one has the id of the current request. */
static ptk_err receive_response(modbus_client_t *client, uint64_t deadline_ns, modbus_header_t *header_out) {
    for (;;) {
        ptk_err err = receive_frame(client, deadline_ns, header_out);
        if (err) {
            return err;
        }
        uint16_t age = (uint16_t) (client->transaction - header_out->transaction);
        if (age == 0) {
            return PTK_OK;
        }
        if (age >= client->ids_sent) {
            return PTK_ERR_NETWORK; /* an id that was never sent */
        }
        if (deadline_left_ms(deadline_ns) == 0) {
            return PTK_ERR_TIMEOUT; /* late responses may come without end */
        }
    }
}

static modbus_result_t exchange_frames(modbus_client_t *client, uint8_t unit,
                                       const modbus_request_t *request) {
    modbus_result_t result = {PTK_OK, MODBUS_OK};
    modbus_header_t header = {0};
    uint64_t deadline_ns = deadline_after_ms(client->timeout_ms);
    result.err = send_request(client, unit, request, deadline_ns);
    if (!result.err) {
        result.err = receive_response(client, deadline_ns, &header);
    }
    if (result.err) {
        return result;
    }
    bool is_response =
        modbus_response_check(request, client->request + MODBUS_HEADER_BYTES,
                              client->reply + MODBUS_HEADER_BYTES, header.pdu_bytes, &result.exception);
    if (!is_response || header.unit != unit) {
        result.err = PTK_ERR_NETWORK;
    }
    return result;
}

/* Sends a request and waits for its response; the values of the response are at response_data(). */
static modbus_result_t exchange(modbus_client_t *client, uint8_t unit, const modbus_request_t *request) {
    modbus_result_t result = {PTK_ERR_INVALID_PARAM, MODBUS_OK};
    if (modbus_request_check(request)) {
        return result;
    }
    result.err = PTK_ERR_CLOSED;
    if (client->sock && take_id(client)) {
        result = exchange_frames(client, unit, request);
    }
    if (result.err == PTK_ERR_TIMEOUT || result.err == PTK_ERR_CANCELED) {
        client->ids_left = client->ids_left < IDS ? client->ids_left : IDS - 1;
    } else if (result.err) {
        modbus_client_close(client);
    }
    return result;
}

static const uint8_t *response_data(const modbus_client_t *client) {
    return client->reply + MODBUS_HEADER_BYTES + MODBUS_RESPONSE_DATA;
}

static modbus_result_t read_bits(modbus_client_t *client, uint8_t unit, uint8_t function,
                                 modbus_range_t range, bool *values_out) {
    modbus_request_t request = {.function = function, .read = range};
    modbus_result_t result = exchange(client, unit, &request);
    for (size_t i = 0; modbus_is_ok(result) && i < range.count; i++) {
        values_out[i] = modbus_get_bit(response_data(client), i);
    }
    return result;
}

static modbus_result_t exchange_registers(modbus_client_t *client, uint8_t unit,
                                          const modbus_request_t *request, uint16_t *values_out) {
    modbus_result_t result = exchange(client, unit, request);
    for (size_t i = 0; modbus_is_ok(result) && i < request->read.count; i++) {
        values_out[i] = modbus_get_u16(response_data(client) + 2 * i);
    }
    return result;
}

modbus_result_t modbus_read_coils(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                  bool *values_out) {
    return read_bits(client, unit, MODBUS_READ_COILS, range, values_out);
}

modbus_result_t modbus_read_discrete_inputs(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                            bool *values_out) {
    return read_bits(client, unit, MODBUS_READ_DISCRETE_INPUTS, range, values_out);
}

modbus_result_t modbus_read_holding_registers(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                              uint16_t *values_out) {
    modbus_request_t request = {.function = MODBUS_READ_HOLDING_REGISTERS, .read = range};
    return exchange_registers(client, unit, &request, values_out);
}

modbus_result_t modbus_read_input_registers(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                            uint16_t *values_out) {
    modbus_request_t request = {.function = MODBUS_READ_INPUT_REGISTERS, .read = range};
    return exchange_registers(client, unit, &request, values_out);
}

modbus_result_t modbus_write_coil(modbus_client_t *client, uint8_t unit, uint16_t address, bool value) {
    const uint8_t data[2] = {value ? 0xFF : 0, 0};
    modbus_request_t request = {.function = MODBUS_WRITE_COIL, .write = {address, 1}, .data = data};
    return exchange(client, unit, &request);
}

modbus_result_t modbus_write_register(modbus_client_t *client, uint8_t unit, uint16_t address,
                                      uint16_t value) {
    uint8_t data[2];
    modbus_put_u16(data, value);
    modbus_request_t request = {.function = MODBUS_WRITE_REGISTER, .write = {address, 1}, .data = data};
    return exchange(client, unit, &request);
}

modbus_result_t modbus_write_coils(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                   const bool *values) {
    uint8_t data[MODBUS_WRITE_BITS_MAX / 8] = {0};
    modbus_request_t request = {.function = MODBUS_WRITE_COILS, .write = range, .data = data};
    for (size_t i = 0; !modbus_request_check(&request) && i < range.count; i++) {
        modbus_put_bit(data, i, values[i]);
    }
    return exchange(client, unit, &request);
}

/* Writes registers in the protocol's form, as far as `data` has room; the check of the request refuses more.
 */
static void pack_registers(uint8_t data[2 * MODBUS_WRITE_REGISTERS_MAX], const uint16_t *values,
                           uint16_t count) {
    for (size_t i = 0; i < count && i < MODBUS_WRITE_REGISTERS_MAX; i++) {
        modbus_put_u16(data + 2 * i, values[i]);
    }
}

modbus_result_t modbus_write_registers(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                       const uint16_t *values) {
    uint8_t data[2 * MODBUS_WRITE_REGISTERS_MAX];
    modbus_request_t request = {.function = MODBUS_WRITE_REGISTERS, .write = range, .data = data};
    pack_registers(data, values, range.count);
    return exchange(client, unit, &request);
}

modbus_result_t modbus_mask_write_register(modbus_client_t *client, uint8_t unit, uint16_t address,
                                           uint16_t and_mask, uint16_t or_mask) {
    uint8_t data[4];
    modbus_put_u16(data, and_mask);
    modbus_put_u16(data + 2, or_mask);
    modbus_request_t request = {.function = MODBUS_MASK_WRITE_REGISTER, .write = {address, 1}, .data = data};
    return exchange(client, unit, &request);
}

modbus_result_t modbus_read_write_registers(modbus_client_t *client, uint8_t unit, modbus_range_t read,
                                            uint16_t *values_out, modbus_range_t write,
                                            const uint16_t *values) {
    uint8_t data[2 * MODBUS_WRITE_REGISTERS_MAX];
    modbus_request_t request = {
        .function = MODBUS_READ_WRITE_REGISTERS, .read = read, .write = write, .data = data};
    pack_registers(data, values, write.count);
    return exchange_registers(client, unit, &request, values_out);
}
