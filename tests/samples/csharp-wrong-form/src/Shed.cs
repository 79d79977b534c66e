using System.IO;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Has methods that are no handlers.</summary>
    public class Shed
    {
        public Stream Open(Stream input)
        {
            return input;
        }

        Stream Hidden(Stream input, IFunctionContext context)
        {
            return input;
        }

        public static T Any<T>(T input, IFunctionContext context)
        {
            return input;
        }
    }

    /// <summary>Cannot be made.</summary>
    public class Seed
    {
        static readonly int Size = int.Parse("large");

        public string Grow(string input, IFunctionContext context)
        {
            return input + Size;
        }
    }
}
