using System;
using System.IO;
using System.Text;

namespace Fungraph
{
    /// <summary>What a RESULT says.</summary>
    struct Result
    {
        internal const int Nothing = 0;
        internal const int Text = 1;
        internal const int Json = 2;
        internal const int Bytes = 3;

        internal int Form;
        internal byte[] Payload;
    }

    /// <summary>From the event's bytes to the handler's argument, and from what it returns to a RESULT.</summary>
    sealed class Handler
    {
        readonly Loaded loaded;
        readonly Type type;
        readonly ISerializer serializer;

        internal Handler(Loaded loaded)
        {
            this.loaded = loaded;
            type = loaded.Handler.EventType;
            serializer = Serializers.Of(loaded.Handler.Method);
        }

        /// <summary>Calls the handler; the event begins at `from`.</summary>
        internal Result Call(byte[] payload, int from, CallContext context)
        {
            object input = Input(payload, from);
            object value;
            try
            {
                value = loaded.Handler.Call(input, context);
            }
            catch (Exception error)
            {
                throw Failure.Of(Failure.Thrown, error);
            }
            return Output(value);
        }

        object Input(byte[] payload, int from)
        {
            int length = payload.Length - from;
            if (type == typeof(string))
            {
                return Encoding.UTF8.GetString(payload, from, length);
            }
            var stream = new MemoryStream(payload, from, length, false);
            if (type.IsAssignableFrom(typeof(MemoryStream)))
            {
                return stream;
            }
            try
            {
                return type == typeof(byte[]) ? stream.ToArray() : serializer.Read(stream, type);
            }
            catch (Exception misfit) when (!(misfit is OutOfMemoryException))
            {
                throw Failure.Event(type, misfit);
            }
        }

        Result Output(object value)
        {
            if (value == null)
            {
                return new Result { Form = Result.Nothing, Payload = new byte[0] };
            }
            Result result;
            try
            {
                result = Written(value);
            }
            catch (Exception unfit) when (!(unfit is OutOfMemoryException) && !(unfit is Failure))
            {
                throw Failure.Result(unfit);
            }
            if (result.Payload.Length > loaded.Order.MostResultBytes)
            {
                throw Failure.Large(loaded.Order.MostResultBytes);
            }
            return result;
        }

        Result Written(object value)
        {
            switch (value)
            {
                case string text:
                    return new Result { Form = Result.Text, Payload = Encoding.UTF8.GetBytes(text) };
                case byte[] bytes:
                    return new Result { Form = Result.Bytes, Payload = bytes };
                case Stream stream:
                    return new Result { Form = Result.Bytes, Payload = All(stream) };
                default:
                    byte[] written = All(serializer.Write(value));
                    return new Result { Form = serializer.WritesJson(written) ? Result.Json : Result.Bytes, Payload = written };
            }
        }

        /// <summary>
        /// The rest of a stream. One that was written and stands at its end is read from its start: nobody returns a stream to say
        /// nothing. Read no further than a result may be long, since a stream may have no end.
        /// </summary>
        byte[] All(Stream stream)
        {
            using (stream)
            {
                if (stream.CanSeek && stream.Position == stream.Length)
                {
                    stream.Position = 0;
                }
                var all = new MemoryStream();
                var piece = new byte[16384];
                for (int got = stream.Read(piece, 0, piece.Length); got > 0; got = stream.Read(piece, 0, piece.Length))
                {
                    all.Write(piece, 0, got);
                    if (all.Length > loaded.Order.MostResultBytes)
                    {
                        throw Failure.Large(loaded.Order.MostResultBytes);
                    }
                }
                return all.ToArray();
            }
        }
    }
}
